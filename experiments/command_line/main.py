"""The command line: `./run_experiments.sh COMMAND [options]`. TensorFlow is imported only by commands that compute."""

import importlib
import os
import signal
import sys
from collections.abc import Callable

from deepbayes import PROGRAM, ROOT
from deepbayes.experiments.command_line.argument_parser import only_parses, refuse
from deepbayes.experiments.command_line.commands import COMMANDS, HANDED_ON
from deepbayes.experiments.command_line.parser import parser
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import RunSettings

_WITHOUT_RUN = ("report", "table", "figure", "regression")
"""Commands that show what exists: they take their few options as they are."""


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser().print_help()
        return 0
    options, passed_on = parser().parse_known_args(arguments)
    if options.command in HANDED_ON:
        parser().error(f"{PROGRAM} {options.command} ... hands it on to another package")
    if options.command == "test":
        return _test(passed_on)
    if passed_on:
        parser().refuse_unknown(passed_on)
    command = COMMANDS[options.command]
    if options.command in _WITHOUT_RUN:
        return run_safely(lambda: _function(command.function)(options), computes=command.computes)
    try:
        settings = run_settings(options)
    except UsageError as error:
        return refuse(error)
    return run_safely(lambda: run_command(options.command, settings), command.computes, options.quiet)


def _test(arguments: list[str]) -> int:
    """Becomes pytest."""
    if only_parses():
        return 0
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])


def run_command(name: str, settings: RunSettings) -> int:
    """Runs a command, then shows what it found; its exit code."""
    command = COMMANDS[name]
    found = _function(command.function)(settings)
    if not command.gives_results:
        return found
    _function("deepbayes.experiments.reporting.report:show_results")(settings.output, found)
    return 0


def _function(of: str) -> Callable:
    module, _, name = of.partition(":")
    return getattr(importlib.import_module(module), name)


def run_safely(work: Callable[[], int], computes: bool = True, quiet: bool = False) -> int:
    """The work's exit code: 130 after Ctrl-C or SIGTERM, 2 after an error of the user, told in one line.

    Where commands are only parsed nothing is done, and the code is 0.

    Args:
      computes: whether it needs TensorFlow.
      quiet: whether standard error has warnings and errors alone.
    """
    if only_parses():
        return 0
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _function("deepbayes.experiments.measurements.progress:be_quiet")(quiet)
        if computes:
            _import_tensorflow()
        return work()
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except _errors_of_the_user() as error:
        return refuse(error)
    finally:
        signal.signal(signal.SIGTERM, before)


def _errors_of_the_user() -> tuple[type[Exception], ...]:
    from deepbayes.data.checks import DataError
    from deepbayes.experiments.settings.errors import UsageError
    from deepbayes.models.files import FileError

    return DataError, FileError, UsageError, OSError


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
