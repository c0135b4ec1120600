"""The runs that a set of the paper's figures needs, as command lines; training first where there are no weights."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.command_line.parser import output_arguments
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.models.files import FileError
from deepbayes.models.recipes import recipe
from deepbayes.models.zoo import usable_card
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key, Published
from deepbayes.reproduction.comparability import PAPERS_IMAGES

PROTOCOL = "paper"
SURROGATES = ("greybox", "blackbox")
"""Commands whose attacks are crafted on a surrogate of the classifier."""
USUAL_IMAGES = 100
"""Of a run, unless told otherwise: hours instead of the days that the paper's 10,000 take."""


@dataclass(frozen=True)
class RequiredRun:
    """One command for several classifiers and values.

    Attributes:
      command: without classifiers, grid and common options: ("detect", "--attack", "fgsm").
      parameter: "eps", "c", or "" where there is no grid.
      classifier_options: (name, value) of those that are not the data set's usual ones.
      weights: folder, or "" for what ships.
    """

    command: tuple[str, ...]
    dataset: str
    classifiers: tuple[str, ...]
    parameter: str = ""
    grid: tuple[float, ...] = ()
    classifier_options: tuple[tuple[str, int], ...] = ()
    weights: str = ""

    def arguments(self, num_images: str, extra: tuple[str, ...] = ()) -> list[str]:
        """As `./run_experiments.sh` takes them."""
        grid = [f"--{self.parameter}", *(f"{v:g}" for v in self.grid)] if self.grid else []
        weights = ["--weights", self.weights] if self.weights else []
        common = ["--protocol", PROTOCOL, "--num-images", num_images, *extra]
        return [*self.command, "--dataset", self.dataset, "--classifiers", *self.classifiers, *self.option_arguments,
                *grid, *weights, *common]  # fmt: skip

    @property
    def option_arguments(self) -> list[str]:
        return [text for name, value in self.classifier_options for text in (f"--{flag(name)}", str(value))]


def why_not_measured(figure: Published) -> str:
    """Why no run of ours can measure it; "" where one can."""
    key = figure.key
    if key.dataset not in DATASETS:
        return "the fusion models on VGG16 features (section 4.3) are not part of this port"
    if key.classifier == "BNN":
        return "BNN, the paper's Bayesian network without a latent variable, is not part of this port"
    if key.classifier not in PAPER_CLASSIFIERS or key.metric == "success_percent":
        return "a statement of the text"
    return ""


def required_runs(figures: Iterable[Published]) -> list[RequiredRun]:
    """The commands that measure these figures, each with all the classifiers and values that share it."""
    figures = list(figures)
    detected = {f.key[:3] for f in figures if f.key.metric.startswith("tp_")}
    runs: dict[tuple, tuple[dict, set]] = {}
    for key in (f.key for f in figures):
        command = _command(key, key[:3] in detected)
        parameter = "" if key.attack == "clean" else ATTACKS[_name_of(key.attack)].parameter
        run = command, key.dataset, parameter, tuple(key.classifier_options.items())
        classifiers, values = runs.setdefault(run, ({}, set()))
        attacked = key.source if "--guard" in command else key.classifier
        classifiers |= dict.fromkeys(PAPER_CLASSIFIERS if command[0] == "transfer" else [attacked])
        if key.budget:
            values.add(key.budget.value)
        elif parameter:
            largest = inf if key.largest is None else key.largest
            values.update(v for v in DATASETS[key.dataset].eps_grid if v <= largest)
    return [
        RequiredRun(command, dataset, tuple(classifiers), parameter, tuple(sorted(values)), options)
        for (command, dataset, parameter, options), (classifiers, values) in runs.items()
    ]


def _name_of(attack: str) -> str:
    """The attack's name in the registry: "pgd" of transfer_pgd, "wbs" of wbs_logit."""
    return "wbs" if attack.startswith("wbs") else attack.split("_")[-1]


def _command(key: Key, detected: bool) -> tuple[str, ...]:
    if key.attack == "clean":
        return ("evaluate",)
    through, _, name = key.attack.rpartition("_")
    if through == "transfer":
        guarded = key.metric.startswith("tp_")
        return ("detect", "--attack", name, "--guard", key.classifier) if guarded else ("transfer", "--attack", name)
    if through in SURROGATES:
        return through, "--attack", name, *(["--detect"] if detected else [])
    attack, options = key.attack, ()
    if attack.startswith("wbs_"):
        statistic, attack = attack.removeprefix("wbs_"), "wbs"
        options = ("--statistic", statistic)
        options += ("--lambda", f"{key.lambda_:g}") if statistic != "none" else ()
    return ("detect", "--attack", attack, *options) if detected else (attack, *options)


def steps_to(
    missing: Iterable[Published],
    output: Path,
    num_images: int | None = USUAL_IMAGES,
    weights: Path | None = None,
    epochs: int | None = None,
    data_dir: Path | None = None,
) -> list[tuple[RequiredRun, list[str]]]:
    """The runs that make missing figures, in their order, each with its arguments as `./run_experiments.sh` takes them.

    Args:
      num_images: of attacks; None is all.
      weights: the user's folder, instead of those that ship or are trained into `output`.
      epochs: of training; None is the paper's number.
    """
    steps, trained = [], set()
    extra = (*(("--data-dir", str(data_dir)) if data_dir else ()), *output_arguments(output))
    for run in required_runs(missing):
        if weights or _without_weights(run):
            run = replace(run, weights=str(weights or own_weights(output, run.dataset)))
        for name in [] if weights else _without_weights(run, epochs):
            train = _training(run, name, epochs)
            if train not in trained:
                steps.append((train, [*train.command, "--classifiers", name, *train.option_arguments, *extra]))
                trained.add(train)
        steps.append((run, run.arguments(str(num_images or "all"), extra)))
    return steps


def own_weights(folder: Path, dataset: str) -> Path:
    """Where `train --output folder` puts them."""
    return folder / "training" / dataset


def trained_for(card: dict, dataset: str, epochs: int | None) -> bool:
    """Whether weights had so many epochs; None is the paper's number."""
    return card["training"]["epochs"] >= (recipe(dataset, card["name"]).epochs if epochs is None else epochs)


def _without_weights(run: RequiredRun, epochs: int | None = 0) -> list[str]:
    """Classifiers of a run that have no weights to run with.

    Args:
      epochs: that weights in a folder of the user's must have had; None is the paper's number.
    """
    folder, missing = Path(run.weights) if run.weights else None, []
    for name in run.classifiers:
        try:
            card = usable_card(run.dataset, name, folder, **dict(run.classifier_options))
            if folder and not trained_for(card, run.dataset, epochs):
                missing.append(name)
        except FileError:
            missing.append(name)
    return missing


def _training(run: RequiredRun, name: str, epochs: int | None) -> RequiredRun:
    """The command that trains one classifier of a run as those that ship were; epochs None is the paper's number."""
    command = ("train", "--dataset", run.dataset, "--epochs", str(epochs or recipe(run.dataset, name).epochs))
    return RequiredRun(command, run.dataset, (name,), classifier_options=run.classifier_options)


def images_run(num_images: int | None, dataset: str) -> int:
    """How many images a run on so many, None for all, is based on: 2019 drops a last partial batch."""
    size = PAPERS_IMAGES[dataset]
    return PROTOCOLS[PROTOCOL].images_used(size if num_images is None else min(num_images, size), USUAL)
