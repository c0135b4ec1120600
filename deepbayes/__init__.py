"""Deep Bayes classifiers under attack: a TensorFlow 2 port of Li, Bradshaw, Sharma (ICML 2019)."""

import importlib
from pathlib import Path

__all__ = ["attack", "load_classifier"]
_PACKAGE = Path(__file__).resolve().parent
CHECKOUT = (_PACKAGE.parent / "pyproject.toml").exists()
"""Whether this runs from a checkout; installed, the working directory takes its place for what is written."""
ROOT = _PACKAGE.parent if CHECKOUT else _PACKAGE
"""The folder of the rooms: the checkout, or the installed package."""
PROGRAM = "./run_experiments.sh" if CHECKOUT else "deepbayes"
"""What a user types before a command: messages that say what to run begin with it."""
if CHECKOUT:  # models/, attacks/ ... stand beside this folder; installed, they are in it
    __path__.append(str(ROOT))

_WHERE = {"attack": "deepbayes.experiments.api", "load_classifier": "deepbayes.models.zoo"}


def __getattr__(name: str):
    """The functions of scripts and notebooks; what they need is imported when they are first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module 'deepbayes' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
