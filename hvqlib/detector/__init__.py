"""Signals -> calibrated map, score and verdict; a run on disk."""
