"""Why an estimate should not be held against the paper's figure: what is known of the figure, or of the run."""

from functools import cache
from typing import NamedTuple

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.reporting.detection_tables import USUAL_FALSE_RATE
from deepbayes.experiments.settings.defaults import DEFAULT_IMAGES, USUAL
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.reference.published import Key, Published, published_values
from deepbayes.reproduction.estimates import Estimate

PAPERS_IMAGES = {"mnist": 10_000, "plane_frog": 2_000, "cifar10": 10_000}
BATCH_OF_2019 = 100
"""Images a batch of the released code's WB+S, which influence each other; this port's batches hold USUAL by default."""
FEW_LEFT = 20
"""Images not fooled below which 2019's index fault in KL detection makes a rate depend on their positions."""
MEDIAN_STEPS = "a median over a grid of eps moves by whole steps of it"
IN_KEYS = ("statistic", "lambda_")
"""Options of WB+S that its figures' keys name."""
_AS_2019 = ("paper", "2019-code")
_ON_A_SURROGATE = ("greybox_", "blackbox_")


def why_not_comparable(p: Published) -> str:
    """Why nothing should be held against a figure of the paper; "" where there is no reason."""
    if p.key.dataset == "plane_frog" and p.key.attack != "clean":
        return "the paper attacks only the 1,577 images that all its classifiers get right"
    if p.key.metric == "min_linf_median":
        return MEDIAN_STEPS
    if p.key.attack.startswith(_ON_A_SURROGATE):
        return "the paper does not give the surrogate's layers"
    if p.key.attack.endswith("mim") and _ran_on(_run_of_mim(p.key)):
        return "the paper's MIM took more than 40 steps there: its figures at eps 0.4 and 0.5 differ"
    if p.key.largest is not None:
        return "the paper's Tables 1 and 2 differ from its F tables by up to 6 points"
    if p.note.startswith(("around", "below", "above", "at least")):
        return f"the paper says {p.note.split(';')[0]}"
    return ""


class _Mim(NamedTuple):
    """A run of MIM over all eps, in the paper."""

    dataset: str
    classifier: str
    classifier_options: tuple[tuple[str, int], ...]


def _run_of_mim(key: Key) -> _Mim:
    """The run that a figure's images were made in."""
    return _Mim(key.dataset, key.source or key.classifier, tuple(key.classifier_options.items()))


def _ran_on(run: _Mim) -> bool:
    """Whether a run of MIM took more steps than 40.

    40 steps of .01 from the image move a pixel by 0.4 at most, so that eps 0.4 and 0.5 give the same images and all
    figures of both are equal; more steps tell them apart.
    """
    at = _mim_at(run)
    return any(at.get((0.4, metric)) != value for (eps, metric), value in at.items() if eps == 0.5)


@cache
def _mim_at(run: _Mim) -> dict[tuple[float, str], float]:
    """(eps, metric) -> the paper's figure."""
    at_one_eps = {k: v for k, v in published_values().items() if k.attack == "mim" and k.budget}
    return {(k.budget.value, k.metric): v for k, v in at_one_eps.items() if _run_of_mim(k) == run}


def differs_from_the_paper(estimate: Estimate) -> str:
    """What of a result's settings the paper's figure does not share; "" where nothing is known to differ."""
    s, metric, dataset = estimate.settings, estimate.key.metric, estimate.key.dataset
    protocol, through = s["protocol"]["name"], s.get("through", {})
    if dataset not in PAPERS_IMAGES:
        return f"the paper has no figures of {s['dataset']}"
    if s["dataset"] != dataset:
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
        return f"protocol {protocol} counts differently: use --protocol paper"
    fitted = [d for d in (s.get("detection"), s.get("evades")) if d]
    if any(d["rate"] != USUAL_FALSE_RATE for d in fitted):
        return f"thresholds at {100 * fitted[0]['rate']:g} % false positives, the paper's at 5 %"
    # DEFAULT_IMAGES, which runs on weights of one's own take, are enough: they set a rate of 5 % to within half a point
    learnt_from = [d["calibration"]["images"] for d in fitted]
    learnt_from += [through["student_images"]] if through.get("kind") == "greybox" else []
    if learnt_from and min(learnt_from) < DEFAULT_IMAGES:
        return f"thresholds or surrogate made from {min(learnt_from)} training images, the paper's from all"
    seeds = PROTOCOLS["paper"].seeds_per_class * DATASETS[s["dataset"]].classes
    if through.get("kind") == "blackbox" and through["student_images"] != seeds:
        return f"a substitute grown from {through['student_images']} images, the paper's from {seeds:,}"
    return ""


def index_fault(estimate: Estimate, fooled: int, images: int) -> str:
    """Whether 2019's index fault in KL detection makes a rate a matter of chance in one run or in both.

    Positions within the successes are read as positions among all images: up to the first image that is not fooled the
    two are the same, and the fault is not there. Where none is left unfooled in either run, neither has it.

    Args:
      fooled, images: of the run that the estimate is held against; images is 0 where it is not known.
    """
    faulty = PROTOCOLS[estimate.settings["protocol"]["name"]].detection.kl_rows_within_success
    if estimate.key.metric != "tp_kl_percent" or not faulty or not images:
        return ""
    left = estimate.settings["num_images"] - estimate.n, images - fooled
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
