"""Evaluate: verdicts on test images -> metrics, tables, figures.

In: a `Detector` and an `AnomalyDataset`. Out: seven exact metrics by class (`metrics`, `evaluate`), a gallery and heat
maps (`figures`).
"""
