"""Evaluate: anomaly maps and scores of test images -> metrics, tables, figures.

In: a `Detector` and an `AnomalyDataset`. Out: seven exact metrics by class (`metrics`, `evaluate`), a gallery and heat
maps (`figures`).
"""
