"""Why a figure should not be held against the paper's: what is known of that one, and what a run did otherwise."""

from functools import cache
from typing import NamedTuple

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements.batches import USUAL
from deepbayes.experiments.measurements.training_logits import DEFAULT_IMAGES
from deepbayes.experiments.reporting.detection_tables import USUAL_FPR
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.reference.published import Key, Published, published_values
from deepbayes.reproduction.estimates import Measured

PAPERS_IMAGES = {"mnist": 10_000, "plane_frog": 2_000, "cifar10": 10_000}
BATCH_OF_2019 = 100
"""Of the released code's WB+S, whose images influence each other within a batch; ours are 20 unless told otherwise."""
FEW_LEFT = 20
"""Images not fooled below which 2019's index fault in KL detection says where they stand."""
MEDIAN_STEPS = "a median over a grid of eps moves by whole steps of it"
IN_KEYS = ("statistic", "lambda_")
"""Options of WB+S that its figures' keys name."""
_AS_2019 = ("paper", "2019-code")
_STUDENTS = ("greybox_", "blackbox_")


def trap(p: Published) -> str:
    """Why a figure of the paper should not be held against ours."""
    if p.key.dataset == "plane_frog" and p.key.attack != "clean":
        return "the paper attacks only the 1,577 images that all its classifiers get right"
    if p.key.metric == "min_linf_median":
        return MEDIAN_STEPS
    if p.key.attack.startswith(_STUDENTS):
        return "the paper does not give the student's layers"
    if p.key.attack.endswith("mim") and _ran_on(_run_of_mim(p.key)):
        return "the paper's MIM took more than 40 steps there: its figures at eps 0.4 and 0.5 differ"
    if p.key.parameter.startswith("eps<="):
        return "the paper's Tables 1 and 2 differ from its F tables by up to 6 points"
    if p.note.startswith(("around", "below", "above", "at least")):
        return f"the paper says {p.note.split(';')[0]}"
    return ""


class _Mim(NamedTuple):
    """A run of MIM over all eps, in the paper."""

    dataset: str
    classifier: str
    dim_z: str | None


def _run_of_mim(key: Key) -> _Mim:
    """The run that a figure's images were made in."""
    return _Mim(key.dataset, key.parts.get("from", key.classifier), key.parts.get("dim_z"))


def _ran_on(run: _Mim) -> bool:
    """Whether a run of MIM took more steps than 40.

    40 steps of .01 from the image move a pixel by 0.4 at most, so that eps 0.4 and 0.5 give the same images and all
    figures of both are equal; more steps tell them apart.
    """
    at = _mim_at(run)
    return any(at.get(("0.4", metric)) != value for (eps, metric), value in at.items() if eps == "0.5")


@cache
def _mim_at(run: _Mim) -> dict[tuple[str, str], float]:
    """(eps, metric) -> the paper's figure."""
    found = {k: v for k, v in published_values().items() if k.attack == "mim" and "eps" in k.parts}
    return {(k.parts["eps"], k.metric): v for k, v in found.items() if _run_of_mim(k) == run}


def differs_from_the_paper(ours: Measured) -> str:
    """What of a result's settings the paper's figure does not share; "" where nothing is known to differ."""
    s, metric = ours.settings, ours.key.metric
    protocol, through = s["protocol"]["name"], s.get("through", {})
    if ours.key.dataset not in PAPERS_IMAGES:
        return f"the paper has no figures of {s['dataset']}"
    if s["dataset"] != ours.key.dataset:
        return f"other images: {s['dataset']} is not the paper's test set"
    if s.get("samples") != 10:
        return f"K = {s.get('samples')}, the paper's is 10"
    if s.get("targeted"):
        return "aimed at a label"
    if s["attack"] != "clean":
        changed = _changed_from_the_paper(s)
        if changed:
            return f"other options than the paper's: {', '.join(changed)}"
    if protocol not in _AS_2019 and metric != "accuracy_percent":
        return f"protocol {protocol} counts otherwise: --protocol paper"
    fitted = [d for d in (s.get("detection"), s.get("evades")) if d]
    if any(d["rate"] != USUAL_FPR for d in fitted):
        return f"thresholds at {100 * fitted[0]['rate']:g} % false positives, the paper's at 5 %"
    # what runs on weights of one's own take by default counts: a rate of 5 % is set to within half a point by it
    learnt_from = [d["calibration"]["images"] for d in fitted]
    learnt_from += [through["student_images"]] if through.get("kind") == "greybox" else []
    if learnt_from and min(learnt_from) < DEFAULT_IMAGES:
        return f"thresholds or student made from {min(learnt_from)} training images, the paper's from all"
    seeds = PROTOCOLS["paper"].seeds_per_class * DATASETS[s["dataset"]].classes
    if through.get("kind") == "blackbox" and through["student_images"] != seeds:
        return f"a substitute grown from {through['student_images']} images, the paper's from {seeds:,}"
    return ""


def index_fault(ours: Measured, fooled: int, images: int) -> str:
    """Whether 2019's index fault in KL detection makes a rate a matter of chance in one run or in both.

    Positions within the successes are read as positions among all images: up to the first image that is not fooled the
    two are the same, and the fault is not there. Where none is left unfooled in either run, neither has it.

    Args:
      fooled, images: of the run that ours is held against; images is 0 where it is not known.
    """
    faulty = PROTOCOLS[ours.settings["protocol"]["name"]].detection.kl_rows_within_success
    if ours.key.metric != "tp_kl_percent" or not faulty or not images:
        return ""
    left = ours.settings["num_images"] - ours.n, images - fooled
    if min(left) >= FEW_LEFT or not any(left):
        return ""
    return (
        f"in one of the runs fewer than {FEW_LEFT} images were not fooled, and 2019's index fault in KL detection "
        "makes the rate depend on which"
    )


def _changed_from_the_paper(settings: dict) -> list[str]:
    """Options with other values than the paper's attack has.

    Of sign attacks log-odds only guard against underflow: where the cross-entropy does not vanish, the direction is the
    same.
    """
    paper, options = ATTACKS[settings["attack"]].defaults("paper"), settings.get("options", {})
    same = {*IN_KEYS}
    if settings["attack"] in ("fgsm", "pgd", "mim") and options.get("loss") == "log-odds":
        same.add("loss")
    changed = [n for n, v in options.items() if paper.get(n) != v and n not in same]
    usual = min(USUAL, settings["num_images"]), BATCH_OF_2019
    if options.get("crosstalk") == "yes" and settings.get("batch_size", USUAL) not in usual:
        changed.append("batch_size")
    return changed + (["known_noise"] if settings.get("known_noise") else [])
