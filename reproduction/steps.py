"""The commands that make what is missing of a table or figure, training first where there are no weights."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from deepbayes.experiments.command_line.parser import output_arguments
from deepbayes.models import zoo
from deepbayes.models.files import FileError
from deepbayes.reference.published import Published
from deepbayes.reproduction.collect import own_weights
from deepbayes.reproduction.required_runs import TRAINING, Needed, needed, trained_for

USUAL_IMAGES = 100
"""Of a run, unless told otherwise: hours instead of the days that the paper's 10,000 take."""


def steps_to(
    missing: Iterable[Published],
    output: Path,
    num_images: int | None = USUAL_IMAGES,
    weights: Path | None = None,
    epochs: int | None = None,
    data_dir: Path | None = None,
) -> list[tuple[Needed, list[str]]]:
    """The commands in their order, each with its arguments as `./run_experiments.sh` takes them.

    Args:
      num_images: of attacks; None is all.
      weights: the user's folder, instead of those that ship or are trained into `output`.
      epochs: of training; None is the paper's number.
    """
    steps, trained = [], set()
    extra = (*(("--data-dir", str(data_dir)) if data_dir else ()), *output_arguments(output))
    for step in needed(missing):
        if weights or _without_weights(step):
            step = replace(step, weights=str(weights or own_weights(output, step.dataset)))
        for name in [] if weights else _without_weights(step, epochs):
            if (name, step.dataset, step.dim_z) not in trained:
                train = _training(step, name, epochs)
                dim_z = ("--dim-z", str(step.dim_z)) if step.dim_z else ()
                steps.append((train, [*train.command, "--classifiers", name, *dim_z, *extra]))
                trained.add((name, step.dataset, step.dim_z))
        steps.append((step, step.arguments(str(num_images or "all"), extra)))
    return steps


def _without_weights(run: Needed, epochs: int | None = 0) -> list[str]:
    """Classifiers of a run that have no weights to run with.

    Args:
      epochs: that weights in a folder of the user's must have had; None is the paper's number.
    """
    folder, missing = Path(run.weights) if run.weights else None, []
    for name in run.classifiers:
        try:
            card = zoo.usable_card(run.dataset, name, folder, {"dim_z": run.dim_z})
            if folder and not trained_for(card, run.dataset, epochs):
                missing.append(name)
        except FileError:
            missing.append(name)
    return missing


def _training(run: Needed, name: str, epochs: int | None) -> Needed:
    """The command that trains one classifier of a run as those that ship were; epochs None is the paper's number."""
    _, papers_epochs, rate = TRAINING[run.dataset]
    command = ("train", *f"--dataset {run.dataset} --epochs {epochs or papers_epochs} --learning-rate {rate:g}".split())
    command += ("--kl-warmup", "1") if name == "DBX" else ()  # without it z carries nothing, see docs/training.md
    return Needed(command, run.dataset, run.dim_z, "", (), (name,))
