"""A small results store for the tests of the web page: every kind of result, names that nobody should have, damage."""

from pathlib import Path

import numpy as np

from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.store.results import ResultsStore

N = 8
HOSTILE = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "it's \"quoted\" & 50 % [/x]", "two\nlines",
    "right-to-left \u202e", "broken \ud800", "=1+1", "x" * 300, "${7*7} {{ 7*7 }} {% raw %}",
)  # fmt: skip
"""Names of a user's models."""
MANY = tuple(f"model number {k}" for k in range(25))
HOSTILE_OPTION = "</dl><script>alert(3)</script>"


def _settings(classifier: str, attack: str, dataset: str, protocol: str, **more) -> dict:
    s = {
        "attack": attack, "victim": classifier, "dataset": dataset, "data_sha256": "d" * 64, "num_images": N, "seed": 0,
        "targeted": False, "protocol": {"name": protocol}, "weights_sha256": "a" * 64,
    }  # fmt: skip
    ours = {"samples": 10, "likelihood": "l2"} if classifier in ("GBZ", "DFX") else {}
    return s | ours | more


def clean(
    store: ResultsStore, classifier: str, right: int = N, dataset="mnist5k", protocol="corrected", **more
) -> None:
    """A clean result with `right` of N images right."""
    s = _settings(classifier, "clean", dataset, protocol, **more)
    content = {"n": N, "accuracy": rate(right, N), "predictions": _predictions(right), "labels": [0] * N}
    store.write(s, content | {"seconds": 1.5, "bound": {"mean": -24.0, "std": 6.0, "n": N}}, _images(0))


def attacked(
    store: ResultsStore, classifier: str, attack: str, eps: float, right: int, options=None, **more
) -> dict:  # fmt: skip
    """A result under attack; returns its settings."""
    dataset, protocol = more.pop("dataset", "mnist5k"), more.pop("protocol", "corrected")
    s = _settings(classifier, attack, dataset, protocol, eps=eps, options=options or {}, **more)
    content = {
        "n": N, "accuracy": rate(right, N), "predictions": _predictions(right), "fresh_draws": None,
        "success_right_before": rate(N - right, N), "unmoved": rate(0, N),
        "seconds": {"attack": 1800.0 * (1 + (attack == "pgd")), "evaluation": 1800.0},
    }  # fmt: skip
    store.write(s, content, _images(60))
    return s


def _predictions(right: int) -> list[int]:
    return [0] * right + [7] * (N - right)


def _images(brightness: int) -> dict:
    ramp = np.arange(28 * 28, dtype=np.uint8).reshape(1, 28, 28, 1) // 4
    return {"examples": np.repeat(ramp, 4, axis=0) + np.uint8(brightness), "examples_row": np.array([0, 2, 5, 7])}


def detected(store: ResultsStore, settings: dict, guard: str = "") -> None:
    """What detectors found of an attack with these settings."""
    how = {"guard": guard or settings["victim"], "chosen_guard": bool(guard), "rate": 0.05, "rule": "quantile"}
    how |= {"calibration": {"images": 55_000}, "guard_settings": {"weights_sha256": "a" * 64}}
    found = 3 if settings["victim"] == "GBZ" else 2  # of four successes
    roc = {"tp_class_averaged": 0.75, "auroc": 0.9, "true_rate_at": {"0.05": 0.5, "0.01": 0.25}}
    union = {"fp": rate(1, N), "tp": rate(found, 4), "unnoticed_errors": rate(1, N)}
    detectors = {"kl": union | roc, "tv": union | roc | {"tp": rate(found - 1, 4)}}
    store.write(settings | {"detection": how}, {"n": N, "union": union, "detectors": detectors})


def fill(root: Path) -> ResultsStore:
    """Two classifiers of the paper on digits, a user's models with hostile names, a user's own data, damaged files."""
    store = ResultsStore(root, "CPU (2 cores)")
    for name, right in (("GBZ", 6), ("DFX", 2)):
        clean(store, name)
        for eps, fewer in ((0.1, 0), (0.2, 2)):
            for attack in ("fgsm", "pgd"):
                detected(store, attacked(store, name, attack, eps, right - fewer))
    through = {"kind": "transfer", "source": "DFX", "settings": {"weights_sha256": "a" * 64}}
    detected(store, attacked(store, "GBZ", "pgd", 0.1, 7, through=through), guard="DFX")
    for name in (*HOSTILE, *MANY):
        clean(store, name)
        attacked(store, name, "fgsm", 0.1, 4, {"<b>option</b>": HOSTILE_OPTION})
    clean(store, "GBZ", 7, "own_patients")
    attacked(store, "GBZ", "fgsm", 0.1, 3, dataset="own_patients")
    _strange_and_checks(store)
    _damage(root)
    return store


def _strange_and_checks(store: ResultsStore) -> None:
    s = _settings("GBZ", "ood", "mnist5k", "corrected", against="noise")
    roc = {"auroc": 0.5, "true_rate_at": {"0.05": 0.5, "0.01": 0.25}}
    one = {"fp": rate(1, N), "tp": rate(5, N)} | roc
    s |= {"detection": {"rate": 0.05, "calibration": {"images": 100}}}
    store.write(s, {"n": N, "detectors": {"kl": one}})
    lines = [{"check": "PGD at least as strong as FGSM", "verdict": "flag", "figure": HOSTILE[0], "n": N}]
    s = _settings(HOSTILE[0], "checks", "mnist5k", "corrected", beside=list(HOSTILE[1:3]))
    store.write(s, {"n": N, "eps": 0.2, "lines": lines})


def _damage(root: Path) -> None:
    folder = root / "mnist5k" / "GBZ"
    (folder / "broken-0123456789.json").write_text('{"settings": {')
    (folder / "deep-0123456789.json").write_text("[" * 100_000)
    (folder / "foreign-0123456789.json").write_text('{"settings": {"attack": "<script>alert(4)</script>"}}')
    (folder / "binary-0123456789.json").write_bytes(bytes(range(256)))
    whole = next(folder.glob("pgd_*.npz"))
    whole.write_bytes(whole.read_bytes()[:100])
    cards = root / "training" / "mnist5k"
    cards.mkdir(parents=True)
    (cards / "broken.json").write_text("{")
    (cards / "GBZ.json").write_text('{"name": "<i>card</i>", "sha256": "' + "a" * 64 + '", "training": {"epochs": 3}}')
