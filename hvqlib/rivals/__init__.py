"""Methods that the model is measured against, all behind the `fit` and `measure` of :class:`rival.Rival`.

In: `fit(features, class_ids)`, standardised features (N, C, H, W) of normal images and their classes (N,), and
`measure(features, class_ids, own=rows)`, features (B, C, H, W) of any images, their classes (B,) and, for images that
were fitted to, their rows (B,) in `fit`, else -1. Out: the residual vectors (B, C, H, W), what the method would have in
the place of the features minus the features, which the detector reads and calibrates as it does the model's; and a
method's own signals, of which no rival has any. A module's buffers are all it has learned. A new rival is a file here
with `fit_class` and `expect`, and a line in `detector.run_folder.METHODS`.
"""
