"""Turn signals into verdicts: signals -> calibrated anomaly map -> score -> p-value -> normal or defective.

In: a run folder (`run_folder`) and images. Out: `Detector.judge` gives verdicts, `Detector.look` what lies between
(`detector`); what is normal is measured in `calibration`, the class guessed in `class_guess`.
"""
