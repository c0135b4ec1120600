"""What a stored result must hold to be believed: tells foreign, edited and older files from this program's results."""

import math
import re
from types import NoneType
from typing import Any

from deepbayes.attacks.registry import ATTACKS
from deepbayes.detect.registry import DETECTORS
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.seal import ARRAYS_SEAL, SEAL, content_sha256

_NUMBER, _PERHAPS = (int, float), (int, float, NoneType)
_SHARE = {"count": int, "n": int, "rate": _PERHAPS, "low": _PERHAPS, "high": _PERHAPS}
_CALIBRATED = {"rate": _NUMBER, "calibration": {"images": int}}
_GUARDED = _CALIBRATED | {"guard": str, "guard_settings": dict}
_SETTINGS = {"attack": str, "dataset": str, "victim": str, "num_images": int, "seed": int, "protocol": {"name": str}}
_OF_SOME = {
    "weights_sha256": str, "samples": (int, NoneType), "left_out": str, "batch_size": int, "known_noise": bool,
    "full_gradient": bool, "evades": _CALIBRATED,
}  # fmt: skip
"""Settings that not every result has."""
_UNION = {"fp": _SHARE, "tp": _SHARE, "unnoticed_errors": _SHARE}
_ROC = {"auroc": _PERHAPS, "true_rate_at": {"0.05": _PERHAPS, "0.01": _PERHAPS}}
_OTHERS = ("clean", "checks", "ood")
"""What is stored under `attack` beside attacks."""


def faults(result: dict) -> list[str]:
    """Where a result is not as this program writes it: ["accuracy.rate", ...]; [] where it is whole.

    Wrong are missing and wrongly typed parts, NaN and infinity, rates that are not those of their counts, and content
    that is not what its checksum is of.
    """
    s = result.get("settings")
    found = _faults(s, _SETTINGS, "settings")
    found = found or _unknown(s, result) or _settings_faults(s)
    found = found or _faults(result, _shape(s["attack"], s, result), "")
    return found or _contradictions(result, "") or _counts(result) or _seal(result)


def _unknown(s: dict, result: dict) -> list[str]:
    known = {
        f"attack {s['attack']}": s["attack"] in ATTACKS or s["attack"] in _OTHERS,
        f"dataset {s['dataset']}": re.fullmatch(r"[A-Za-z0-9_-]+", s["dataset"]) is not None,
        f"protocol {s['protocol']['name']}": s["protocol"]["name"] in PROTOCOLS,
    }
    detectors = result.get("detectors") if isinstance(result.get("detectors"), dict) else {}
    found = [f"settings: unknown {name}" for name, there in known.items() if not there]
    found += ["settings.num_images"] if s["num_images"] < 1 else []
    return found + [f"unknown detector {name}" for name in detectors if name not in DETECTORS]


def _settings_faults(s: dict) -> list[str]:
    shape, attack = {name: of for name, of in _OF_SOME.items() if name in s}, s["attack"]
    if attack in ATTACKS:
        shape |= {ATTACKS[attack].parameter: _NUMBER, "targeted": bool}
        if "options" in s:
            shape["options"] = _each(s["options"], (str, int, float, bool))
        if "through" in s:
            moved = isinstance(s["through"], dict) and s["through"].get("kind") == "transfer"
            made = {"source": str, "settings": dict} if moved else {"weights_sha256": str, "student_images": int}
            shape["through"] = {"kind": str} | made
    if attack == "ood":
        shape |= {"against": str, "detection": _CALIBRATED}
    elif "detection" in s:
        shape["detection"] = _GUARDED
    if "beside" in s:
        shape["beside"] = [str]
    return _faults(s, shape, "settings")


def _shape(attack: str, s: dict, result: dict) -> dict:
    """What stands beside the settings."""
    shape = {"n": int} | {name: str for name in (SEAL, ARRAYS_SEAL) if name in result}
    if attack == "checks":
        return shape | {"lines": [{"check": str, "verdict": str, "figure": str, "n": int}]}
    if attack == "ood":
        return shape | {"detectors": _each(result.get("detectors"), {"fp": _SHARE, "tp": _SHARE} | _ROC)}
    if "detection" in s:
        each = {"fp": _SHARE, "tp": _SHARE, "tp_class_averaged": _PERHAPS} | _ROC
        return shape | {"union": _UNION, "detectors": _each(result.get("detectors"), each)}
    shape |= {"accuracy": _SHARE, "predictions": [int]} | ({"labels": [int]} if "labels" in result else {})
    if attack == "clean":
        return shape
    shape |= {"success_right_before": _SHARE, "unmoved": _SHARE, "seconds": _each(result.get("seconds"), _NUMBER)}
    stochastic = result.get("fresh_draws", ...) is not None
    shape["fresh_draws"] = {"draws": int, "survived": _SHARE} if stochastic else NoneType
    if "student" in result:
        shape["student"] = {"accuracy": _SHARE}
    if attack == "cw":
        norms = result.get("perturbation")
        fooled = isinstance(norms, dict) and norms.get("n")
        shape["perturbation"] = {"n": int} | ({"l2": {"mean": _NUMBER, "std": _NUMBER}} if fooled else {})
    return shape


def _each(value: Any, of: Any) -> Any:
    """The shape of a dictionary whose values are all of one shape."""
    return dict.fromkeys(value, of) if isinstance(value, dict) else dict


def _faults(value: Any, shape: Any, path: str) -> list[str]:
    """Paths at which a value has another type than the shape: a type, some, a dictionary of shapes, a list of one."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [path]
        inner = f"{path}." if path else ""
        return [fault for name, of in shape.items() for fault in _faults(value.get(name, ...), of, f"{inner}{name}")]
    if isinstance(shape, list):
        whole = isinstance(value, list) and not any(_faults(v, shape[0], path) for v in _kinds(value))
        return [] if whole else [path]
    types = shape if isinstance(shape, tuple) else (shape,)
    whole = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    return [] if whole else [path]


def _kinds(values: list) -> list:
    """One value of every type; all dictionaries."""
    return list({type(v): v for v in values}.values()) + [v for v in values if isinstance(v, dict)]


def _contradictions(value: Any, path: str) -> list[str]:
    """Paths of numbers that are not finite, and of rates that are not those of their counts."""
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{path} is {value}"]
    if isinstance(value, list):
        return [] if {*map(type, value)} <= {int} else [f for v in value for f in _contradictions(v, path)]
    if not isinstance(value, dict):
        return []
    if value.keys() >= _SHARE.keys():
        return [] if _is_rate(value) else [f"{path} contradicts itself"]
    return [f for name, v in value.items() for f in _contradictions(v, f"{path}.{name}" if path else name)]


def _is_rate(share: dict) -> bool:
    if _faults(share, _SHARE, "") or not 0 <= share["count"] <= share["n"]:
        return False
    right = Rate.of(share["count"], share["n"])
    pairs = [(share[name], getattr(right, name)) for name in ("rate", "low", "high")]
    return all(a is b is None or (None not in (a, b) and abs(a - b) < 1e-6) for a, b in pairs)


def _counts(result: dict) -> list[str]:
    """Lists of another length than n, and an accuracy that is not that of the predictions."""
    if "accuracy" not in result:
        return []
    n, labels, predictions = result["n"], result.get("labels"), result["predictions"]
    found = [name for name in ("predictions", "labels") if len(result.get(name, predictions)) != n]
    found += ["n"] if n != result["settings"]["num_images"] or n != result["accuracy"]["n"] else []
    if not found and labels is not None:
        right = sum(a == b for a, b in zip(predictions, labels, strict=True))
        found += ["accuracy is not that of the predictions"] if right != result["accuracy"]["count"] else []
    return found


def _seal(result: dict) -> list[str]:
    changed = SEAL in result and result[SEAL] != content_sha256(result)
    return [f"{SEAL}: it was changed after it was written"] if changed else []
