"""HVQ-Trans for learning and for use: one model finds the defects of many products, trained on normal images only."""

from .config import PRESETS, Config, InputError
from .data import load_dataset
from .evaluate import Detector, evaluate, predict
from .model import HVQTrans
from .train import train

__all__ = ["PRESETS", "Config", "Detector", "HVQTrans", "InputError", "evaluate", "load_dataset", "predict", "train"]
