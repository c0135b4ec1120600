"""The command line: `./run_experiments.sh COMMAND [options]`. TensorFlow is imported only by the command that runs."""

import importlib
import os
import signal
import sys
from collections.abc import Callable

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line.parser import HANDED_ON, OF_THE_PAPER, ROOT, parser

MODULES = {
    "greybox": "surrogate_attack",
    "blackbox": "surrogate_attack",
    "checks": "sanity_checks",
    "ood": "out_of_distribution",
}
"""Commands whose module in experiments/runs/ has another name; those of attacks are attack.py's."""


def _import_tensorflow() -> None:
    """Imports TensorFlow without the greetings that its C++ writes to standard error before it reads its log level.

    TF_CPP_MIN_LOG_LEVEL=0 lets them through: they tell why a GPU is not found.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") < "2":
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("tensorflow")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _errors_of_the_user() -> tuple[type[Exception], ...]:
    from deepbayes.data.checks import DataError
    from deepbayes.experiments.settings.errors import UsageError
    from deepbayes.models.files import FileError

    return DataError, FileError, UsageError, OSError


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser().print_help()
        return 0
    options, passed_on = parser().parse_known_args(arguments)
    if options.command in HANDED_ON:
        parser().error(f"./run_experiments.sh {options.command} ... hands it on to another package")
    if options.command == "test":
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *passed_on])
    if passed_on:
        parser().error(f"unrecognized arguments: {' '.join(passed_on)}")
    return run_safely(lambda: importlib.import_module(_module(options.command)).run(options))


def _module(command: str) -> str:
    if command in OF_THE_PAPER:
        return f"deepbayes.reproduction.{command}"
    if command == "report":
        return "deepbayes.experiments.reporting.report"
    return f"deepbayes.experiments.runs.{MODULES.get(command, 'attack' if command in ATTACKS else command)}"


def run_safely(work: Callable[[], int]) -> int:
    """The work's exit code: 130 after Ctrl-C or SIGTERM, 2 after an error of the user, told in one line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _import_tensorflow()
    try:
        return work()
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except _errors_of_the_user() as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
