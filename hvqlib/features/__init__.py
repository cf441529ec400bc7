"""Compute frozen features: images -> (N, C, g, g), kept on disk.

In: image files, or images in memory. Out: features of a timm network (`backbone`, `pretrained_weights`), computed once
(`extraction`, `feature_file`) and standardised by channel (`standardize`).
"""
