"""Build HVQ-Trans (Lu et al., NeurIPS 2023): what comes in, what goes out, which file makes which part of its figure.

B images, L = H x W tokens, D the width, K prototypes a level and class, N = 4 layers:

    features (B, C, H, W), class_ids (B,)
       |  project                                           hvq_trans
    tokens h_0 (B, L, D)
       |  encoder: N layers of self-attention               transformer
    states h_0 ... h_4, each (B, L, D)
       |  top codebook: h_4 -> q_4 (B, L, D)                codebooks, VectorQuantizer
       |  levels 3 ... 0: [h_l ; q_4] -> z_l (B, L, 2D)     codebooks, HierarchicalQuantizer
    codes z_3, z_2, z_1, z_0, by each image's own class
       |  decoder: starts from z_3, cross-attends to each   transformer
       |  head of the image's class                         hvq_trans
    reconstruction (B, C, H, W)

Codebooks move by averages of the tokens that choose them (codebooks), or of those that a balanced plan sends them
(transport). The loss is the squared error of the reconstruction, plus commitment, plus, if asked for, prototype-
oriented transport (transport). What speaks against an image are its signals, maps (B, H, W) by name: "residual", the
length of features - reconstruction; "top", "level 3", ... "level 0", the transport score of each level; "released",
the score of the authors' code.

    model = HVQTrans(Config(), channels=192, classes=6)
    output = model(features, class_ids)             # reconstruction, codes, code ids, states, commitment
    signals = model.signals(features, class_ids)    # {"residual": (B, H, W), "top": ..., ...}

Read in this order: transformer, transport, codebooks, hvq_trans. `released_checkpoint` reads the weights of the
authors' release into it. Nothing here knows of data, backbones, calibration or training.
"""
