"""The command line: `./run_experiments.sh COMMAND [options]`. TensorFlow is imported only by the command that runs."""

import importlib
import os
import signal
import sys
from collections.abc import Callable

from attacks.registry import ATTACKS
from experiments.parser import HANDED_ON, OF_THE_PAPER, ROOT, parser

MODULES = {"greybox": "student_attack", "blackbox": "student_attack", "report": "reporting.report"}
"""Commands whose module in experiments/ has another name or place; those of attacks are experiments/attack.py's."""


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
    from data.checks import DataError
    from experiments.errors import UsageError
    from models.files import FileError

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
    module = MODULES.get(options.command, "attack" if options.command in ATTACKS else options.command)
    package = "reproduction" if options.command in OF_THE_PAPER else "experiments"
    return run_safely(lambda: importlib.import_module(f"{package}.{module}").run(options))


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
