"""Data set -> run folder."""
