"""Read data sets: a folder in any of five layouts -> samples -> arrays.

In: folders, image files, archives. Out: `AnomalyDataset` of `Sample`s (`dataset`, `layouts`), images (H, W, 3) uint8
and masks (H, W) bool (`images`), tiles of images (`tiles`), a report on a folder (`inspection`), a public data set
(`download`).
"""
