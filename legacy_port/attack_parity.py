"""The attacks of golden files: the same images, labels, frozen noise and settings, by the attacks of the registry."""

import contextlib
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from deepbayes.attacks.target import Target
from deepbayes.detect import statistics
from deepbayes.experiments.measurements.craft import build_craft
from deepbayes.experiments.settings.attack_plan import make_plan
from deepbayes.legacy_port.golden import Golden


def _fgsm(match: re.Match) -> dict:
    return {"attack": "fgsm", "value": match["value"]}


def _pgd(match: re.Match) -> dict:
    return {"attack": "pgd", "value": match["value"], "steps": match["steps"], "start": "image", "noise": "frozen"}


def _mim(match: re.Match) -> dict:
    return {"attack": "mim", "value": match["value"], "steps": match["steps"], "noise": "frozen"}


def _cw(match: re.Match) -> dict:
    search = match["search"] or 1
    return {"attack": "cw", "value": match["value"], "steps": match["steps"], "search_steps": search, "noise": "frozen"}


def _superwhite(match: re.Match) -> dict:
    """eps .2, step .01, 10 steps, lambda .1, no random start; thresholds and mean posteriors in the file."""
    posterior = {"plain": "combined", "snapshot": "per-sample"}[match["posterior"]]
    options = {"statistic": match["statistic"], "posterior": posterior, "steps": 10, "start": "image"}
    return {"attack": "wbs", "value": 0.2, "noise": "frozen"} | options


_TARGETED = r"(?P<targeted>_targeted)?"
_VALUE = r"(?P<value>[\d.]+)"
FAMILIES: dict[str, tuple[str, Callable[[re.Match], dict]]] = {
    "one step": (rf"fgsm{_TARGETED}_eps{_VALUE}", _fgsm),
    "steps": (rf"pgd{_TARGETED}_eps{_VALUE}_it(?P<steps>\d+)_noinit", _pgd),
    "momentum": (rf"mim{_TARGETED}_eps{_VALUE}_it(?P<steps>\d+)", _mim),
    "detector-aware": (
        rf"superwhite{_TARGETED}_(?P<statistic>logit|marginal|kl)_(?P<posterior>plain|snapshot)",
        _superwhite,
    ),
    "cw": (rf"cw{_TARGETED}_c{_VALUE}(?:_bs(?P<search>\d+))?_it(?P<steps>\d+)", _cw),
}
"""Kind of attack -> the form of its keys, and what they say: attack, value and options of the registry."""


def craft(g: Golden, kind: str, match: re.Match, x=None) -> np.ndarray:
    """Our adversarial images for a key of a golden file, under protocol 2019-code and the file's frozen noise.

    Args:
      x: images in place of the file's.
    """
    given = FAMILIES[kind][1](match)
    attack, value, targeted = given.pop("attack"), float(given.pop("value")), bool(match["targeted"])
    plan = make_plan(attack, g.dataset, "2019-code", grid=[value], targeted=targeted, **given)
    y = g["y_target" if targeted else "y"].astype(np.int32)
    key = attack, targeted, *sorted(plan.options.items())
    if key not in g.attacks:  # compiled once for all budgets
        g.target = g.target or _target(g)
        g.attacks[key] = build_craft(plan, g.target)
    with _sums_as_written():
        return g.attacks[key](g.x if x is None else x, y, np.arange(len(y), dtype=np.int32), value, 0)


def rounded_otherwise(x: np.ndarray, draw: int) -> np.ndarray:
    """Images whose pixels are moved by 2^-23, one unit of float32's rounding at 1, up or down at random."""
    signs = np.random.default_rng(draw).choice(np.array([-1, 1], np.float32), x.shape)
    return np.clip(x + signs * np.float32(2**-23), 0, 1)


def _target(g: Golden) -> Target:
    """The file's classifier under its frozen noise, each of its functions traced once for all attacks."""
    classifier, noise, classes = g.classifier, g.class_noise, g.classifier.architecture.num_classes

    @tf.function
    def logits(x, index, seed):
        return classifier.logits(x, noise)

    @tf.function
    def samples(x, index, seed):
        return classifier.snapshot_logits(x, noise)

    return Target(logits, classes, samples, _detectors(g, classes))


@contextlib.contextmanager
def _sums_as_written():
    """Keeps TensorFlow from folding constants into float32 sums, which adds them in another order.

    Where an image's margin is about 16 nats, cross-entropy's p_y - 1 is one or two units of rounding: a sum taken in
    another order sends its path elsewhere than 2019's.
    """
    kept = tf.config.optimizer.get_experimental_options().get("constant_folding", True)
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"constant_folding": kept})


def _detectors(g: Golden, classes: int) -> dict:
    """The detectors of a golden file: statistics with the thresholds and the mean posteriors that it names."""
    names = [n for n in ("marginal", "logit", "kl") if f"sw_delta_{n}" in g]
    return {
        n: (
            partial(getattr(statistics, n), mean_posterior=g["sw_kl_prob_vec"]),
            _thresholds(g[f"sw_delta_{n}"], classes),
        )
        for n in names
    }


def _thresholds(values, classes: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, np.float32), (classes,))
