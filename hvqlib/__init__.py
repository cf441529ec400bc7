"""Learn and use HVQ-Trans: one model finds the defects of many products, trained on normal images only.

    from hvqlib import Config, Detector, evaluate, load_dataset, train

The packages, in the order in which data goes through them:

    data -> features -> model -> detector -> evaluation
                     (training fills the model; rivals stand beside it; course is what the notebooks share)
"""

__version__ = "1.0.0"

TYPE_CHECKING = False  # as typing's, which takes longer to import than all of this

if TYPE_CHECKING:
    from hvqlib.config import PRESETS as PRESETS
    from hvqlib.config import Config as Config
    from hvqlib.data.dataset import load_dataset as load_dataset
    from hvqlib.detector.detector import Detector as Detector
    from hvqlib.errors import InputError as InputError
    from hvqlib.evaluation.evaluate import evaluate as evaluate
    from hvqlib.model.hvq_trans import HVQTrans as HVQTrans
    from hvqlib.training.train import train as train

_HOMES = {
    "Config": "hvqlib.config",
    "Detector": "hvqlib.detector.detector",
    "HVQTrans": "hvqlib.model.hvq_trans",
    "InputError": "hvqlib.errors",
    "PRESETS": "hvqlib.config",
    "evaluate": "hvqlib.evaluation.evaluate",
    "load_dataset": "hvqlib.data.dataset",
    "train": "hvqlib.training.train",
}
__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that `import hvqlib` loads no torch (PEP 562)."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'hvqlib' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
