"""`table F.2`: a table of the paper beside ours, from the results that exist; runs what is missing when told to."""

import argparse
import os
import shlex
import subprocess
import sys

from deepbayes.data.registry import DATASETS
from deepbayes.experiments.command_line.parser import ROOT
from deepbayes.experiments.measurements.context import check_writable
from deepbayes.experiments.measurements.progress import print_tables, say
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.deep_bayes.architecture import architecture_for
from deepbayes.models.files import atomic
from deepbayes.reference.published import Published
from deepbayes.reproduction.collect import best, figures_of, figures_that_count, places
from deepbayes.reproduction.estimates import Measured
from deepbayes.reproduction.paper_tables import in_lines, tables_of
from deepbayes.reproduction.required_runs import Needed, Speed, hours, images_run, why_not
from deepbayes.reproduction.steps import USUAL_IMAGES, steps_to


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    wanted = [(place, _chosen(options, place)) for place in _places(options.names)]
    figures = [figure for _, found in wanted for figure in found]
    ours = figures_that_count(options.output, options.weights, options.epochs)
    _show(options, wanted, ours)
    _say_what_cannot_be(figures)
    missing = _missing(options, figures, ours)
    if not missing:
        return 0
    can = sum(not why_not(f) for f in figures)
    on = f" on {options.num_images or 'all'} images or more" if options.num_images != 0 else ""
    say(f"{can - len(missing)} of {can} figures are there{on}")
    steps = steps_to(missing, options.output, _num_images(options), options.weights, options.epochs, options.data_dir)
    _list(steps, _num_images(options))
    if not _agreed(options):
        return 0
    for _, arguments in steps:
        say(f"\n./run_experiments.sh {shlex.join(arguments)}")
        command = [sys.executable, "-P", "-m", "deepbayes", *arguments]
        code = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode
        if code:
            say(f"stopped: the run above ended with exit code {code}; what was finished is kept, and the same command "
                "goes on from there")  # fmt: skip
            return code
    _show(options, wanted, figures_that_count(options.output, options.weights, options.epochs))
    return 0


def _places(names: list[str]) -> list[str]:
    known = [p for p in places() if p.startswith("Table")]
    for name in names:
        if f"Table {name}" not in known:
            listed = ", ".join(p.removeprefix("Table ") for p in known)
            raise UsageError(f"the paper has no Table {name}; it has {listed}")
    return [f"Table {name}" for name in names]


def _chosen(options: argparse.Namespace, place: str) -> list[Published]:
    found = [f for f in figures_of(place) if not options.classifiers or f.key.classifier in options.classifiers]
    if options.dim_z:
        found = [f for f in found if _dim_z(f) in options.dim_z]
    if not found:
        raise UsageError(f"{place} has no figure of what was chosen")
    return found


def _dim_z(figure: Published) -> int | None:
    key = figure.key
    if "dim_z" in key.parts:
        return int(key.parts["dim_z"])
    return (
        architecture_for(DATASETS[key.dataset].shape, DATASETS[key.dataset].classes).dim_z
        if key.dataset in DATASETS
        else None
    )


def _num_images(options: argparse.Namespace) -> int | None:
    """Of the runs to start; None is all."""
    return USUAL_IMAGES if options.num_images == 0 else options.num_images


def _missing(options: argparse.Namespace, figures: list[Published], ours: list[Measured]) -> list[Published]:
    """Figures that we could measure and have not, on as many images as asked for."""
    least = lambda dataset: 0 if options.num_images == 0 else images_run(options.num_images, dataset)  # noqa: E731
    known = best(ours, least)
    return [f for f in figures if f.key not in known and not why_not(f)]


def _show(options: argparse.Namespace, wanted: list[tuple[str, list[Published]]], ours: list[Measured]) -> None:
    chosen = best(ours)
    for place, figures in wanted:
        shown = tables_of(place, figures, chosen, _trained(options))
        file = options.output / "paper" / f"{place.lower().replace(' ', '_')}.md"
        with atomic(file) as temporary:
            temporary.write_text("\n".join(table.markdown() for table in shown))
        print_tables((in_lines(table).rich() for table in shown), file)
        say(f"table: {file}")


def _trained(options: argparse.Namespace) -> str:
    """What captions must say of weights that had not the paper's epochs, or "" where they had."""
    if options.weights:
        return f"Weights: {options.weights}."
    return f"Weights that do not ship had {options.epochs} epochs or more." if options.epochs else ""


def _say_what_cannot_be(figures: list[Published]) -> None:
    reasons: dict[str, int] = {}
    for figure in figures:
        if reason := why_not(figure):
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, n in reasons.items():
        say(f"not measured: {n} figures ({reason})")


def _list(steps: list[tuple[Needed, list[str]]], num_images: int | None) -> None:
    speed, total = Speed(), 0.0
    say("missing, with the time that it takes at the speed measured here:")
    for step, arguments in steps:
        takes = hours(step, num_images, speed)
        total += takes
        say(f"  {_time(takes)}  ./run_experiments.sh {shlex.join(arguments)}")
    say(f"  {_time(total)}  in all; results that exist are not made again")


def _time(hours: float) -> str:
    return f"{hours:6.1f} h  " if hours >= 1 else f"{60 * hours:6.0f} min"


def _agreed(options: argparse.Namespace) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        say("to run them: the same command with --yes (--num-images N, --classifiers NAME ... for less)")
        return False
    try:
        return input("run them now? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False
