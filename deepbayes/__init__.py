"""Deep Bayes classifiers under attack: a TensorFlow 2 port of Li, Bradshaw, Sharma (ICML 2019)."""

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
if (_CHECKOUT / "pyproject.toml").exists():  # models/, attacks/ ... stand beside this folder; installed, they are in it
    __path__.append(str(_CHECKOUT))
