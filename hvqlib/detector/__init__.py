"""Turn residuals into verdicts: signals -> calibrated anomaly map -> score -> p-value -> normal or defective.

In: a run folder (`run_folder`) and images. Out: `Detector.judge` gives verdicts (`prediction`), `Detector.look` what
lies between (`detector`). A method's residuals become signals in `reading`, by the scatter of their place
(`place_covariance`) and of the whole picture (`picture_subspace`); what is normal is measured in `calibration`, the
class guessed in `class_guess`. What the network sees of an image, all of it or its tiles, is chosen in `tiling`. All of
it in one ONNX file is made by `onnx_export` and judges in `exported`.
"""
