"""The attacks by name: what the command line, the help, the tables and the tests are made from.

Adding an attack is one module `attacks/NAME.py` and one entry here. The module has

    build(target, options, targeted) -> craft       once a victim; see attacks/target.py
    craft(x, y, index, value, seed, advance) -> adversarial images, a batch at a time
    cost(options) -> evaluations of an image, for the time left; a gradient counts as GRADIENT_COST

This module imports no array library, so that help texts can list the attacks at once.
"""

from dataclasses import dataclass, field
from typing import Any

GRADIENT_COST = 1.5
"""Of a gradient, in evaluations of the logits."""
GRADIENT, SCORES, NOTHING = "gradient", "scores", "nothing"
_FOLDERS = {GRADIENT: "white_box", SCORES: "black_box", NOTHING: "corruptions"}


@dataclass(frozen=True)
class Option:
    """A setting of an attack; on the command line `--`, then the name with dashes.

    Attributes:
      name: in Python; an underscore at the end, as in `lambda_`, is left out of the flag.
      default: under every protocol but those in `by_protocol`; its type is the option's.
      help: the text of `--help`.
      by_protocol: protocol -> another default.
      choices: the values allowed, if they are few.
      least: the smallest number allowed.
      word: a text that is allowed instead of a number.
    """

    name: str
    default: Any
    help: str
    by_protocol: dict[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    least: float = 0
    word: str = ""

    def under(self, protocol: str) -> Any:
        return self.by_protocol.get(protocol, self.default)


@dataclass(frozen=True)
class Attack:
    """The description of an attack that every command knows by its name.

    Attributes:
      name: of the command, and of its module.
      title: for captions.
      parameter: the name of the budget, which the grid runs over.
      meaning: of the parameter, with its unit.
      norm: what the parameter bounds: "Linf", "L0" (pixels), or "" where it bounds no norm.
      needs: what the attacker uses of the victim: its gradient, its scores, or nothing.
      source: the paper that defines it.
      grid: values of the parameter, where they are not the data set's.
      neutral: the value that changes nothing; None where there is none, and figures have a logarithmic axis.
      options: see `Option`.
      images: test images unless told otherwise: about an hour of a CPU for seven classifiers.
      takes_targets: whether it can aim at a label.
      in_the_paper: whether the paper has figures of it.
    """

    name: str
    title: str
    parameter: str
    meaning: str
    norm: str
    needs: str
    source: str
    grid: tuple[float, ...] = ()
    neutral: float | None = 0.0
    options: tuple[Option, ...] = ()
    images: int = 500
    takes_targets: bool = True
    in_the_paper: bool = False

    @property
    def evades_detectors(self) -> bool:
        """Whether it needs thresholds of the victim's detectors."""
        return any(o.name == "statistic" for o in self.options)

    @property
    def module(self) -> str:
        return f"deepbayes.attacks.{_FOLDERS[self.needs]}.{self.name}"

    def defaults(self, protocol: str) -> dict[str, Any]:
        return {o.name: o.under(protocol) for o in self.options}


LOSSES = ("log-odds", "cross-entropy", "margin")
NOISES = ("fresh", "frozen")
_AS_2019 = ("paper", "2019-code")


def _as_2019(value) -> dict:
    return dict.fromkeys(_AS_2019, value)


LOSS = Option(
    "loss", "log-odds", "loss to ascend; 2019's cross-entropy underflows in float32 where the classifier is sure",
    by_protocol=_as_2019("cross-entropy"), choices=LOSSES,
)  # fmt: skip
EOT = Option("eot", 1, "draws of the victim's noise that a gradient is averaged over", least=1)
NOISE = Option("noise", "fresh", "the victim's noise: fresh at every step, or frozen", choices=NOISES)
RESTARTS = Option("restarts", 1, "random starts; the image of the highest loss is kept", least=1)
STEP_SIZE = Option("step_size", 0.01, "length of a step, pixel scale")
START = Option("start", "uniform", "first point: uniform in the budget, or the image", choices=("uniform", "image"))
_EPS = "Linf budget, pixel scale [0, 1]"
_CW_RATE = "Adam's rate; by-c is the paper's: .01, .03 at c = 100, .1 at c = 1000"

ATTACKS: dict[str, Attack] = {
    a.name: a
    for a in (
        Attack(
            "fgsm", "Fast gradient sign method", "eps", _EPS, "Linf", GRADIENT,
            "Goodfellow et al., arXiv 1412.6572",
            options=(LOSS, EOT), in_the_paper=True,
        ),
        Attack(
            "pgd", "Projected gradient descent", "eps", _EPS, "Linf", GRADIENT,
            "Madry et al., arXiv 1706.06083",
            options=(
                Option("steps", 40, "gradient steps"), STEP_SIZE, RESTARTS, START, LOSS, EOT, NOISE,
            ),
            in_the_paper=True, images=100,
        ),
        Attack(
            "mim", "Momentum iterative method", "eps", _EPS, "Linf", GRADIENT,
            "Dong et al., arXiv 1710.06081",
            options=(
                Option("steps", 40, "gradient steps", by_protocol={"2019-code": 100}), STEP_SIZE,
                Option("decay", 1.0, "decay of the momentum"), LOSS, EOT, NOISE,
            ),
            in_the_paper=True, images=100,
        ),
        Attack(
            "wbs", "Detector-aware PGD on each sample's posterior (WB+S)", "eps", _EPS, "Linf", GRADIENT,
            "Li et al. 2019, appendix A.1",
            options=(
                Option("statistic", "kl", "of the detector to evade; none: WB+S; marginal, logit, kl: WB+S+M, +L, +K",
                       choices=("none", "marginal", "logit", "kl", "tv")),
                Option("lambda_", 0.1, "weight of the detector's term in eq. 3"),
                Option("steps", 40, "gradient steps"), STEP_SIZE, START,
                Option("posterior", "per-sample", "the posterior whose cross-entropy is ascended",
                       choices=("per-sample", "combined")),
                Option("over_samples", "sum", "eq. 3 sums over the samples, 2019's code averages",
                       by_protocol=_as_2019("mean"), choices=("sum", "mean")),
                Option("crosstalk", "no", "yes as 2019: each image is held at the predicted classes of the whole batch",
                       by_protocol=_as_2019("yes"), choices=("no", "yes")),
                Option("loss", "exact-cross-entropy", "loss to ascend; exact lasts to margins of 87 nats, 2019's to 36",
                       by_protocol=_as_2019("cross-entropy"),
                       choices=("exact-cross-entropy", "cross-entropy", "log-odds")),
                NOISE,
            ),
            images=100,
            in_the_paper=True,
        ),
        Attack(
            "cw", "Carlini and Wagner, L2", "c", "weight of the misclassification term against the squared L2 norm",
            "", GRADIENT, "Carlini and Wagner, arXiv 1608.04644", grid=(0.1, 1.0, 10.0, 100.0, 1000.0), neutral=None,
            options=(
                Option("steps", 1000, "Adam's steps in each search step", least=1),
                Option("learning_rate", "by-c", _CW_RATE, by_protocol={"2019-code": 0.01}, word="by-c"),
                Option("confidence", 0.0, "nats by which another class must lead"),
                Option("search_steps", 1, "binary-search steps over c, from the c given", least=1),
                EOT, NOISE,
            ),
            in_the_paper=True, images=10,
        ),
        Attack(
            "spsa", "Simultaneous perturbation stochastic approximation", "eps", _EPS, "Linf", SCORES,
            "Uesato et al., arXiv 1802.05666", images=20,
            in_the_paper=True,
            options=(
                Option("steps", 20, "Adam's steps", by_protocol=_as_2019(100)),
                Option("directions", 32, "random directions a gradient, two evaluations each",
                       by_protocol=_as_2019(1000), least=1),
                Option("delta", 0.01, "length of a probe along a direction, pixel scale", least=1e-6),
                Option("learning_rate", 0.05, "Adam's rate, pixel scale", by_protocol=_as_2019(0.01)),
                Option("stop", 5.0, "nats by which another class leads where an image is finished"),
            ),
        ),
        Attack(
            "square", "Square attack", "eps", _EPS, "Linf", SCORES, "Andriushchenko et al., arXiv 1912.00049",
            images=40,
            options=(
                Option("queries", 500, "evaluations an image (the source uses 5,000 and more)", least=1),
                Option("first_share", 0.8, "share of the pixels in the first squares", least=1e-3),
            ),
        ),
        Attack(
            "onepixel", "One pixel, by differential evolution", "pixels", "number of pixels set", "L0", SCORES,
            "Su et al., arXiv 1710.08864", grid=(1, 3, 5), images=20,
            options=(
                Option("population", 50, "candidates in a generation (the source uses 400)", least=5),
                Option("generations", 20, "generations of differential evolution (the source uses 100)", least=1),
            ),
        ),
        Attack(
            "brightness", "Brightness", "factor", "of every pixel, then clipped to [0, 1]", "", NOTHING,
            "Millner et al. (report on Medical MNIST)", grid=(0.25, 0.5, 0.75, 1.3, 2.0), neutral=1.0,
            takes_targets=False,
        ),
        Attack(
            "contrast", "Contrast", "factor", "of the distance to the image's mean, then clipped to [0, 1]", "",
            NOTHING, "Millner et al. (report on Medical MNIST)", grid=(0.25, 0.5, 2.0, 4.0), neutral=1.0,
            takes_targets=False,
        ),
        Attack(
            "noise", "Random noise", "scale", "half width (uniform) or standard deviation (gaussian), pixel scale",
            "", NOTHING, "the reference that every attack must beat", grid=(0.1, 0.2, 0.3, 0.4, 0.5),
            takes_targets=False,
            options=(Option("kind", "uniform", "distribution of the noise", choices=("uniform", "gaussian")),),
        ),
    )
}  # fmt: skip
