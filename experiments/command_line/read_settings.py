"""Parsed arguments as settings: the only place that knows both."""

import argparse
import sys

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line.parser import PREFIX
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import (
    AttackSettings,
    DetectionSettings,
    OwnDataSettings,
    RunSettings,
    SurrogateSettings,
    TrainingSettings,
)
from deepbayes.models.registry import all_options, papers_classifiers


def run_settings(options: argparse.Namespace) -> RunSettings:
    """What a command line asks for. Raises UsageError for a budget of another attack."""
    given = vars(options)
    models = tuple(given.get("victim_model") or ())
    chosen = tuple(dict.fromkeys(given.get("classifiers") or (() if models else papers_classifiers())))
    fields = ("dataset", "data_dir", "weights", "num_images", "batch_size", "seed", "protocol", "fresh", "save")
    return RunSettings(
        output=options.output,
        classifiers=chosen,
        victim_models=models,
        classifier_options={n: given[n] for n in all_options() if given.get(n) is not None},
        own_data=_own_data(given),
        attack=_attack(options),
        detection=DetectionSettings(
            given.get("fpr", DetectionSettings.rate), given.get("calibration_images", "auto"), given.get("guard") or ""
        ),
        surrogate=SurrogateSettings(given.get("seeds_per_class"), given.get("detect", False)),
        training=_training(given),
        against=tuple(given.get("against") or ()),
        **{n: given[n] for n in fields if n in given},
    )


def _attack(options: argparse.Namespace) -> AttackSettings | None:
    given = vars(options)
    name = given.get("attack") or (options.command if options.command in ATTACKS else None)
    if name is None:
        return None
    attack = ATTACKS[name]
    for parameter in {a.parameter for a in ATTACKS.values()} - {attack.parameter}:
        if given.get(parameter):
            raise UsageError(f"{attack.name} has no --{parameter}; its budget is --{attack.parameter}")
    grid = tuple(given.get(attack.parameter) or ())
    if attack.norm == "Linf" and any(v > 1 for v in grid):
        shown = next(v for v in grid if v > 1)
        print(f"warning: --eps {shown:g} is more than the whole pixel scale, which is [0, 1] here; did you mean "
              f"{shown / 255:.4f} ({shown:g}/255)?", file=sys.stderr)  # fmt: skip
    return AttackSettings(
        name,
        grid,
        {n.removeprefix(PREFIX): v for n, v in given.items() if n.startswith(PREFIX) and v is not None},
        **{n: given.get(n, False) for n in ("targeted", "known_noise", "full_gradient")},
    )


def _own_data(given: dict) -> OwnDataSettings | None:
    options = ("image_size", "colour", "value_range", "group", "skip_unreadable")
    found = {n: given.get(n) for n in options if given.get(n)}
    if given.get("data") is None:
        if found:
            raise UsageError(f"--{next(iter(found)).replace('_', '-')} is of your own images: name them by --data")
        return None
    if given.get("dataset"):
        raise UsageError("--data and --dataset exclude each other: your own images are the data set")
    if "value_range" in found:
        found["value_range"] = tuple(found["value_range"])
    return OwnDataSettings(given["data"], **found)


def _training(given: dict) -> TrainingSettings:
    overrides = ("epochs", "learning_rate", "kl_warmup", "initialiser")
    fields = {"validate_every": "validate_every", "checkpoint_steps": "checkpoint_steps", "threads": "threads",
              "train_images": "images", "test_images": "test_images"}  # fmt: skip
    return TrainingSettings(
        {n: given[n] for n in overrides if given.get(n) is not None},
        **{ours: given[theirs] for theirs, ours in fields.items() if theirs in given},
    )
