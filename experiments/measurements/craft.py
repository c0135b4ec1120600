"""Adversarial images of a whole run, batch by batch; a run that was stopped goes on at its last finished batch."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from deepbayes.attacks.target import Target, check_targets
from deepbayes.data.checks import Images
from deepbayes.experiments.measurements.batches import batches
from deepbayes.experiments.settings.attack_plan import Plan
from deepbayes.models.files import FileError, read_arrays, write_arrays

_SAVE_SECONDS, _SAVE_SHARE = 1, 20
"""Work that may be lost: batches that take longer are kept one by one, but for a twentieth of the time at most."""


def build_craft(plan: Plan, target: Target) -> Callable:
    """The attack on one victim, compiled once; see attacks/target.py."""
    return importlib.import_module(plan.attack.module).build(target, plan.namespace, plan.targeted)


def cost(plan: Plan) -> float:
    """Evaluations that the attack spends on an image, for the time left."""
    return importlib.import_module(plan.attack.module).cost(plan.namespace)


def craft_all(
    craft: Callable,
    plan: Plan,
    images: Images,
    labels,
    value: float,
    seed: int,
    batch_size: int,
    *,
    partial: Path | None = None,
    advance: Callable[[float], None] = lambda n: None,
) -> tuple[np.ndarray, float]:
    """Adversarial images of all `images` at one value of the parameter, and the seconds they took.

    Args:
      labels: (N,) to leave, or with a targeted plan to reach.
      partial: where finished batches are kept while the run lasts; what is found there is not made again. The caller
        removes it once the result is stored.
      advance: hears of work done, in evaluations of an image.

    Raises:
      ValueError: as the attack; or targets that are the true labels.
    """  # fmt: skip
    if plan.targeted:
        check_targets(labels, images.y)
    n, per_image = len(images), cost(plan)
    parts, seconds = _found(partial, images.x.shape)
    done = sum(map(len, parts))
    advance(done * per_image)
    saved, took = time.monotonic(), 0.0
    arrays = images.x[done:], labels[done:].astype(np.int32), images.index[done:].astype(np.int32)
    for true, batch in batches(arrays, batch_size):
        start = time.monotonic()
        moved = craft(*batch, value, seed, lambda share, true=true: advance(share * true * per_image))
        parts.append(moved[:true])
        done += true
        seconds += time.monotonic() - start
        if partial and done < n and time.monotonic() - saved > max(_SAVE_SECONDS, _SAVE_SHARE * took):
            start, parts = time.monotonic(), [np.concatenate(parts)]
            write_arrays(partial, {"x_adv": parts[0], "seconds": np.array(seconds)})
            saved = time.monotonic()
            took = saved - start
    return np.concatenate(parts), seconds


def _found(partial: Path | None, shape) -> tuple[list[np.ndarray], float]:
    if partial is None or not partial.exists():
        return [], 0.0
    try:
        arrays = read_arrays(partial)
        x_adv, seconds = arrays["x_adv"], float(arrays["seconds"])
    except (FileError, KeyError):
        return [], 0.0  # a damaged remainder is worth nothing
    return ([x_adv], seconds) if x_adv.shape[1:] == shape[1:] and len(x_adv) < shape[0] else ([], 0.0)
