"""What a stored result must hold to be compared: tells foreign, edited and older files from this program's results."""

from types import NoneType
from typing import Any

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.settings.protocol import PROTOCOLS

_NUMBER, _SHARE_OF = (int, float), (int, float, NoneType)
_SHARE = {"count": int, "n": int, "rate": _SHARE_OF, "low": _SHARE_OF, "high": _SHARE_OF}
_SETTINGS = {"attack": str, "dataset": str, "victim": str, "num_images": int, "seed": int, "protocol": {"name": str}}
_DETECTION = {"rate": _NUMBER, "calibration": {"images": int}, "guard": str, "guard_settings": dict}
_OTHERS = ("clean", "checks", "ood")
"""What is stored under `attack` beside attacks."""


def faults(result: dict) -> list[str]:
    """Where a result is not as this program writes it: ["accuracy.rate", ...]; [] where it is whole."""
    s = result.get("settings")
    found = _faults(s, _SETTINGS, "settings")
    if found:
        return found
    attack = s["attack"]
    known = {
        f"attack {attack}": attack in ATTACKS or attack in _OTHERS,
        f"dataset {s['dataset']}": s["dataset"] in DATASETS,
        f"protocol {s['protocol']['name']}": s["protocol"]["name"] in PROTOCOLS,
    }
    found = [f"settings: unknown {name}" for name, there in known.items() if not there]
    if attack == "checks":
        found += _faults(result, {"lines": list}, "")
    if found or attack not in (*ATTACKS, "clean"):
        return found
    if attack in ATTACKS:
        shape = {ATTACKS[attack].parameter: _NUMBER, "targeted": bool}
        shape |= {name: dict for name in ("options", "through", "evades") if name in s}
        found += _faults(s, shape, "settings")
    if "detection" in s:
        each = {"fp": _SHARE, "tp": _SHARE, "tp_class_averaged": _SHARE_OF}
        found += _faults(s["detection"], _DETECTION, "settings.detection") + _faults(result, {"detectors": dict}, "")
        for name, content in result["detectors"].items() if not found else ():
            found += _faults(content, each, f"detectors.{name}") if name in DETECTORS else [f"unknown detector {name}"]
        return found
    shape = {"n": int, "accuracy": _SHARE, "predictions": list}
    if attack != "clean":
        shape |= {"success_right_before": _SHARE, "fresh_draws": (dict, NoneType)}
    if "student" in result:
        shape["student"] = {"accuracy": _SHARE}
    shape |= {"labels": list} if "labels" in result else {}
    if attack == "cw":
        norms = result.get("perturbation")
        fooled = isinstance(norms, dict) and norms.get("n")
        shape["perturbation"] = {"n": int} | ({"l2": {"mean": _NUMBER, "std": _NUMBER}} if fooled else {})
    found += _faults(result, shape, "")
    lists = [name for name in ("predictions", "labels") if name in shape and not found]
    return found + [name for name in lists if len(result[name]) != result["n"]]


def _faults(value: Any, shape: Any, path: str) -> list[str]:
    """Paths at which a value has another type than the shape: a type, some, or a dictionary of shapes."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [path]
        inner = f"{path}." if path else ""
        return [fault for name, of in shape.items() for fault in _faults(value.get(name, ...), of, f"{inner}{name}")]
    whole = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return [] if whole else [path]
