"""Methods that the model is measured against, all behind the same `fit` and `signals`.

In: standardised features (N, C, H, W). Out: signals by name, each (B, H, W), higher is worse, read and calibrated as
the model's are. A new rival is a file here and a line in `detector.run_folder.build_model`.
"""
