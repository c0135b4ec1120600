"""What is measured of adversarial images: success, what fresh noise leaves of it, norms, and bounds they must keep."""

import numpy as np

from deepbayes.experiments.measurements.batches import run as run_batches
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.noise_roles import FRESH, noise_seed
from deepbayes.experiments.settings.errors import UsageError

FRESH_DRAWS, FRESH_CHECKED = 20, 25
_ROUNDING = 1e-6


def succeeded(predictions, labels, y, targeted: bool) -> np.ndarray:
    """(N,) booleans: the label asked for is given, or untargeted the true one is not."""
    return predictions == labels if targeted else predictions != y


def survival(evaluation, adversarial, success) -> dict:
    """How many of at most 25 successes still succeed in the majority of 20 fresh draws of the victim's noise.

    Args:
      evaluation: an experiments.runs.attack.Evaluation of a stochastic victim.
      success: (N,) booleans, of which are checked.
    """
    context, labels, logits = evaluation.context, evaluation.labels, evaluation.victim.graph_of("logits")
    index, size = context.images.index.astype(np.int32), context.batch_size(evaluation.victim)
    hits = np.flatnonzero(success)
    m = min(FRESH_CHECKED, len(hits))
    chosen = hits[np.arange(m) * len(hits) // max(m, 1)]  # spread: the first ones may all be of one class
    wins, open_cases = np.zeros(len(chosen), int), np.arange(len(chosen))
    for draw in range(FRESH_DRAWS):
        if not len(open_cases):
            break
        rows, role = chosen[open_cases], noise_seed(context.seed, FRESH + draw)
        arrays = adversarial[rows], index[rows]
        outputs = run_batches(lambda x, i, s=role: logits(x, i, s), arrays, size)
        hit = outputs.argmax(axis=1) == labels[rows]
        wins[open_cases] += hit if evaluation.plan.targeted else ~hit
        losses = draw + 1 - wins[open_cases]
        open_cases = open_cases[(wins[open_cases] <= FRESH_DRAWS // 2) & (losses < FRESH_DRAWS // 2)]
    return {"draws": FRESH_DRAWS, "survived": rate(np.sum(wins > FRESH_DRAWS // 2), len(chosen))}


def perturbation(x, adversarial, success) -> dict:
    """Mean and standard deviation over successes, those that the protocol counts, of L2, Linf and L0 (pixels moved).

    Pixel scale [0, 1].
    """
    delta = (adversarial - x).reshape(len(x), -1)[success]
    if not len(delta):
        return {"n": 0}
    norms = {
        "l2": np.linalg.norm(delta, axis=1),
        "linf": np.abs(delta).max(axis=1),
        "l0": np.count_nonzero(delta, axis=1),
    }
    return {"n": len(delta)} | {k: {"mean": float(v.mean()), "std": float(v.std())} for k, v in norms.items()}


def audit(x, adversarial, norm: str, value: float) -> dict:
    """What an attack must not exceed: largest change, pixels changed and pixel range over all images.

    Args:
      norm: "Linf" or "L0" where `value` bounds it, else "".

    Raises:
      UsageError: an adversarial image leaves its budget, the pixel range, or is not finite: no such result is stored.
    """
    changed = (adversarial != x).any(axis=-1).reshape(len(x), -1).sum(axis=1)
    found = {
        "max_change": float(np.abs(adversarial - x).max()),
        "max_pixels_changed": int(changed.max()),
        "min_pixel": float(adversarial.min()),
        "max_pixel": float(adversarial.max()),
        "not_finite": int((~np.isfinite(adversarial)).sum()),
    }
    if found["not_finite"]:
        raise UsageError(
            f"the attack at {value:g} gave NaN: the victim's gradient is not finite; look for a root, a norm or a "
            "logarithm at 0 in its layers. Nothing was stored"
        )
    beyond = {"Linf": found["max_change"] > value + _ROUNDING, "L0": found["max_pixels_changed"] > value}
    if found["min_pixel"] < 0 or found["max_pixel"] > 1 or beyond.get(norm, False):
        raise UsageError(f"the adversarial images at {value:g} break their bounds: {found}; nothing was stored")
    return found
