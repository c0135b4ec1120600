"""Parity with 2019: recompute every quantity of golden files and compare.

A row a quantity has its name, error, tolerance, and ok or OUT. Relative errors are per element, over max(|golden|, 1)
nat; those of gradients are in the l2 norm of the whole array. The error of adversarial images is the share of
pixels that differ by more than the number named.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from deepbayes.data import plane_frog
from deepbayes.legacy_port import detection
from deepbayes.legacy_port.attack_parity import FAMILIES, craft, rounded_otherwise
from deepbayes.legacy_port.checkpoints import to_2019
from deepbayes.legacy_port.golden import Golden
from deepbayes.models.deep_bayes.architecture import Architecture
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.initialisers import begin_as_2019
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import FileError
from deepbayes.models.recipes import Recipe
from deepbayes.models.training import adam_step, make_optimizer

RELATIVE, GRADIENT, WEIGHT, DETECTION = 1e-4, 1e-3, 2e-5, 1e-2
INITIAL = 1e-6
SIGN_SHARE, STEPS_SHARE, TRAINED_SHARE = 1e-3, 1e-2, 5e-2  # of pixels, by attacks of one and of many steps
CW = 1e-4


@dataclass(frozen=True)
class Row:
    """One quantity: its error in the measure named, the largest error allowed."""

    name: str
    error: float
    tolerance: float = 0.0
    measure: str = ""

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "OUT"
        return f"  {self.name:<34} {self.error:>9.1e}  <= {self.tolerance:.0e}  {verdict:<3}  {self.measure}"


def _relative(name: str, ours, golden) -> Row:
    ours, golden = np.asarray(ours, np.float64), np.asarray(golden, np.float64)
    _same_shape(name, ours, golden)
    return Row(name, float(np.max(np.abs(ours - golden) / np.maximum(np.abs(golden), 1.0))), RELATIVE, "relative")


def _same_shape(name, ours, golden):
    if ours.shape != golden.shape:
        raise ValueError(f"{name}: shape {ours.shape}, golden {golden.shape}")


# ---- one function a family of keys: (file, key, match of the key) -> Row ----


def _bound(g: Golden, key: str, match: re.Match) -> Row:
    c = g.classifier
    noise = g["eps_k1"] if match["k"] == "1" else g["eps_kK"]
    beta = float(match["beta"] or 1.0)
    if match["persample"]:
        return _relative(key, c.log_weights(g.x, c.one_hot(g["y"]), noise, beta), g[key])
    if match["likelihood"]:
        c = g.new_classifier(likelihood=match["likelihood"])
    return _relative(key, c.bound(g.x, g["y"], noise, beta), g[key])


def _logits(g: Golden, key: str, match: re.Match) -> Row:
    c, noise = g.classifier, g.class_noise
    if match["mode"].startswith("fix_seed"):
        seed = int(match["mode"].removeprefix("fix_seed"))
        fixed = np.random.RandomState(100 * seed).randn(noise.shape[0], noise.shape[-1])
        return _relative(key, c.logits(g.x, fixed[:, None, None].astype(np.float32)), g[key])
    ours = {
        "kK": lambda: c.logits(g.x, noise),
        "k1": lambda: c.logits(g.x, noise[:1]),
        "snapshot": lambda: c.snapshot_logits(g.x, noise),
        "mean": lambda: c.logits_at_mean(g.x),
        "no_z": lambda: c.logits_at_zero(g.x),
    }
    return _relative(key, ours[match["mode"]](), g[key])


def _logits_at(g: Golden, key: str, match: re.Match) -> Row:
    return _relative(key, g.classifier.logits(g[match["attack"]], g.class_noise), g[key])


def _cross_entropy(g: Golden, key: str, match: re.Match) -> Row:
    return _relative(key, _loss(g, tf.constant(g.x)), g[key])


def _gradient(g: Golden, key: str, match: re.Match) -> Row:
    x = tf.constant(g.x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = _loss(g, x)
    ours = tape.gradient(loss, x).numpy()
    _same_shape(key, ours, g[key])
    error = np.linalg.norm(ours - g[key]) / np.linalg.norm(g[key])
    return Row(key, float(error), GRADIENT, "relative l2")


def _loss(g: Golden, x):
    logits = g.classifier.logits(x, g.class_noise)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=g["y"], logits=logits)


def _attack(g: Golden, key: str, match: re.Match) -> Row:
    """Images of an attack: a share of pixels may part, since a gradient near 0 may flip its sign; CW has no sign.

    Where they are out, the path of an image may hang on the rounding of one processor. Then 2019's images must be those
    of inputs that differ from the file's by one unit of rounding; image by image the nearest of eight such runs counts.
    """
    kind = next(k for k, (pattern, _) in FAMILIES.items() if re.fullmatch(pattern, key))
    ours = craft(g, kind, match)
    _same_shape(key, ours, g[key])
    row = _images_row(g, key, kind, ours)
    if row.ok or not np.isfinite(g[key]).all():
        return row
    nearest, images = ours.copy(), tuple(range(1, ours.ndim))
    for draw in range(_ROUNDINGS):
        other = craft(g, kind, match, rounded_otherwise(g.x, draw))
        nearer = np.abs(other - g[key]).mean(images) < np.abs(nearest - g[key]).mean(images)
        nearest[nearer] = other[nearer]
    moved = int(np.sum((nearest != ours).any(axis=images)))
    again = _images_row(g, key, kind, nearest)
    if not again.ok:
        return row
    return replace(again, measure=f"{again.measure}; {moved} images by inputs rounded otherwise")


_ROUNDINGS = 8


def _images_row(g: Golden, key: str, kind: str, ours: np.ndarray) -> Row:
    off = np.abs(ours - g[key])
    if kind == "cw":
        return Row(key, float(off.max()), CW, "absolute")
    trained = "trained_epochs" in g.meta and kind != "one step"
    apart, share = (1e-6, SIGN_SHARE) if kind == "one step" else (1e-4, TRAINED_SHARE if trained else STEPS_SHARE)
    return Row(key, float(np.mean(~(off <= apart))), share, f"share > {apart:.0e}")


def _training(g: Golden) -> Iterator[Row]:
    """Five Adam steps (lr 1e-3) on frozen noise: the bound before each, the bound after them, every weight."""
    c = g.new_classifier()
    variables = c.trainable_variables
    optimizer = make_optimizer(variables, Recipe(epochs=1, learning_rate=1e-3))
    x, y, noise = tf.constant(g.x), c.one_hot(g["y"]), tf.constant(g["eps_k1"])
    steps = (adam_step(lambda: c.weight_terms(x, y, noise), variables, optimizer) for _ in range(5))
    bounds = [tf.reduce_mean(sum(terms.values())) for terms in steps]
    yield _relative("train_bounds", bounds, g["train_bounds"])
    yield _relative("train_bound_after5", tf.reduce_mean(c.bound(x, g["y"], noise)), g["train_bound_after5"])
    golden, ours = g.folder("trained"), to_2019(c)
    if golden.keys() != ours.keys():
        raise ValueError(f"trained/*: other variables than ours: {sorted(golden.keys() ^ ours.keys())}")
    for name, value in golden.items():
        yield Row(f"trained/{name}", float(np.max(np.abs(ours[name] - value))), WEIGHT, "absolute")


def _initial(g: Golden) -> Iterator[Row]:
    """The kernels with which fully connected layers outside the towers begin, from their shapes alone."""
    sizes = Architecture((28, 28, 1), 10, g.meta["dim_z"], g.meta["dim_h"], (g.meta["n_channel"],) * 3)
    classifier = DeepBayes(FACTORISATIONS[g.meta["classifier"]], sizes)
    begin_as_2019(classifier)
    golden, ours = g.folder("initial"), to_2019(classifier)
    if missing := sorted(golden.keys() - ours.keys()):
        raise ValueError(f"initial/*: not among our variables: {missing}")
    for name, value in golden.items():
        _same_shape(name, ours[name], value)
        yield Row(f"initial/{name}", float(np.max(np.abs(ours[name] - value))), INITIAL, "absolute")


def _order(g: Golden) -> Iterator[Row]:
    """The 2019 order of CIFAR-binary and its new labels: exact."""
    positions = plane_frog.order(g["labels_train"], g["labels_test"])
    for part, ours in zip(("train", "test"), positions, strict=True):
        labels = np.searchsorted(plane_frog.CIFAR_CLASSES, g[f"labels_{part}"][ours])
        for key, value in ((f"{part}_index", ours), (f"y_{part}", labels)):
            _same_shape(key, value, g[key])
            yield Row(key, float(np.mean(value != g[key])), 0.0, "share that differs")


def _detection(g: Golden) -> Iterator[Row]:
    """What the 2019 detection script reports, in percentage points and pixel scale."""
    ours = detection.report(
        detection.detectors(g["logits_train"], g["y_train"]), g["logits_adv_guard"], g["logits_adv_victim"],
        g["y_clean"], g["perturbation"], transfer="test transfer attack" in str(g["stdout"]),
    )  # fmt: skip
    for key, golden in g.folder("result").items():
        yield Row(f"result/{key}", abs(ours[key] - float(golden)), DETECTION, "absolute")


_BETA = r"(?:_beta(?P<beta>[\d.]+))?"
CHECKS: list[tuple[str, Callable[[Golden, str, re.Match], Row]]] = [
    (
        rf"bound_k(?P<k>[1K])(?P<persample>_persample)?(?:_is)?{_BETA}(?:_(?P<likelihood>bernoulli|l1|gaussian))?",
        _bound,
    ),
    (r"logits_(?P<mode>kK|k1|snapshot|mean|no_z|fix_seed\d+)", _logits),
    (r"logits_at_(?P<attack>.+)", _logits_at),
    (r"ce", _cross_entropy),
    (r"grad_ce", _gradient),
    *((pattern, _attack) for pattern, _ in FAMILIES.values()),
]
GROUPS = {
    r"initial/.*": _initial,
    r"train_bound.*|trained/.*": _training,
    r"(train|test)_index|y_(train|test)": _order,
}


def check(path: Path) -> Iterator[Row]:
    """A row for every output of a golden file; a key that no family knows is a row that fails."""
    g = Golden(path)
    if "logits_adv_guard" in g:
        yield from _detection(g)
        return
    grouped = set()
    for key in g.outputs:
        group = next((f for pattern, f in GROUPS.items() if re.fullmatch(pattern, key)), None)
        if group:
            if group not in grouped:
                grouped.add(group)
                yield from group(g)
        else:
            for pattern, family in CHECKS:
                if match := re.fullmatch(pattern, key):
                    yield family(g, key, match)
                    break
            else:
                yield Row(key, float("inf"), 0.0, "unknown key")


def compare(files: list[Path], quiet: bool = False) -> int:
    """Prints a row a quantity, with `quiet` only those that are out, and the totals; returns the exit code."""
    tf.get_logger().setLevel("ERROR")  # retracing notices: every file has a classifier of its own
    rows: list[Row] = []
    for path in files:
        print(path.name)
        try:
            for row in check(path):
                rows.append(row)
                if not (quiet and row.ok):
                    print(row, flush=True)
        except (FileError, ValueError, KeyError) as error:
            print(f"error: {path}: {error}", file=sys.stderr)
            return 2
    out = sum(not r.ok for r in rows)
    print(f"{len(rows) - out} within tolerance, {out} out")
    return 1 if out else 0
