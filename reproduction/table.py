"""`table F.2`: a table of the paper beside ours, from the results that exist; runs what is missing when told to."""

import argparse
import os
import shlex
import subprocess
import sys

from deepbayes import PROGRAM, ROOT
from deepbayes.experiments.measurements.progress import print_tables, say
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import check_writable
from deepbayes.models.files import atomic
from deepbayes.reference.published import CLASSIFIER_OPTIONS, Published
from deepbayes.reproduction.collect import accepted_estimates, best, figures_of, places
from deepbayes.reproduction.estimates import Estimate
from deepbayes.reproduction.hours import Speed, hours
from deepbayes.reproduction.paper_tables import in_lines, tables_of
from deepbayes.reproduction.required_runs import USUAL_IMAGES, RequiredRun, images_run, steps_to, why_not_measured


def run(options: argparse.Namespace) -> int:
    check_writable(options.output)
    wanted = [(place, _chosen(options, place)) for place in _places(options.names)]
    figures = [figure for _, chosen in wanted for figure in chosen]
    estimates = accepted_estimates(options.output, options.weights, options.epochs)
    _show(options, wanted, estimates)
    _say_what_cannot_be(figures)
    missing = _missing(options, figures, estimates)
    if not missing:
        return 0
    can = sum(not why_not_measured(f) for f in figures)
    on = f" on {options.num_images or 'all'} images or more" if options.num_images != 0 else ""
    say(f"{can - len(missing)} of {can} figures are there{on}")
    steps = steps_to(missing, options.output, _num_images(options), options.weights, options.epochs, options.data_dir)
    _list(steps, _num_images(options))
    if not _agreed(options):
        return 0
    for _, arguments in steps:
        say(f"\n{PROGRAM} {shlex.join(arguments)}")
        command = [sys.executable, "-P", "-m", "deepbayes", *arguments]
        code = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode
        if code:
            say(f"stopped: the run above ended with exit code {code}; what was finished is kept, and the same command "
                "goes on from there")  # fmt: skip
            return code
    _show(options, wanted, accepted_estimates(options.output, options.weights, options.epochs))
    return 0


def _places(names: list[str]) -> list[str]:
    known = [p for p in places() if p.startswith("Table")]
    for name in names:
        if f"Table {name}" not in known:
            listed = ", ".join(p.removeprefix("Table ") for p in known)
            raise UsageError(f"the paper has no Table {name}; it has {listed}")
    return [f"Table {name}" for name in names]


def _chosen(options: argparse.Namespace, place: str) -> list[Published]:
    """The figures of a place that are of the chosen classifiers, and of those options of theirs."""
    chosen = [f for f in figures_of(place) if not options.classifiers or f.key.classifier in options.classifiers]
    for name in CLASSIFIER_OPTIONS:
        if wanted := getattr(options, name, None):
            chosen = [f for f in chosen if f.key.all_classifier_options.get(name) in wanted]
    if not chosen:
        raise UsageError(f"{place} has no figure of what was chosen")
    return chosen


def _num_images(options: argparse.Namespace) -> int | None:
    """Of the runs to start; None is all."""
    return USUAL_IMAGES if options.num_images == 0 else options.num_images


def _missing(options: argparse.Namespace, figures: list[Published], estimates: list[Estimate]) -> list[Published]:
    """Figures that we could measure and have not, on as many images as asked for."""
    least = lambda dataset: 0 if options.num_images == 0 else images_run(options.num_images, dataset)  # noqa: E731
    known = best(estimates, least)
    return [f for f in figures if f.key not in known and not why_not_measured(f)]


def _show(options: argparse.Namespace, wanted: list[tuple[str, list[Published]]], estimates: list[Estimate]) -> None:
    chosen = best(estimates)
    for place, figures in wanted:
        shown = tables_of(place, figures, chosen, _trained(options))
        file = options.output / "paper" / f"{place.lower().replace(' ', '_')}.md"
        with atomic(file) as temporary:
            temporary.write_text("\n".join(table.markdown() for table in shown))
        print_tables(map(in_lines, shown), file)
        say(f"table: {file}")


def _trained(options: argparse.Namespace) -> str:
    """What captions must say of weights that had not the paper's epochs, or "" where they had."""
    if options.weights:
        return f"Weights: {options.weights}."
    return f"Weights that do not ship had {options.epochs} epochs or more." if options.epochs else ""


def _say_what_cannot_be(figures: list[Published]) -> None:
    reasons: dict[str, int] = {}
    for figure in figures:
        if reason := why_not_measured(figure):
            reasons[reason] = reasons.get(reason, 0) + 1
    for reason, n in reasons.items():
        say(f"not measured: {n} figures ({reason})")


def _list(steps: list[tuple[RequiredRun, list[str]]], num_images: int | None) -> None:
    speed, total = Speed(), 0.0
    say("missing, with the time that it takes at the speed measured here:")
    for step, arguments in steps:
        takes = hours(step, num_images, speed)
        total += takes
        say(f"  {_time(takes)}  {PROGRAM} {shlex.join(arguments)}")
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
