"""Train: a data set's normal images -> a run folder.

In: a `Config` and an `AnomalyDataset`. Out: a run folder with config.json and checkpoint.safetensors (`train`), written
by a loop of steps that resumes to the bit (`training_loop`).
"""
