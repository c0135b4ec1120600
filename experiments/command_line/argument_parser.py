"""The parser that every command uses: a mistake is answered in one line, with what was probably meant, and exit code 2.

No array library is imported, so that help is immediate.
"""

import argparse
import os
import sys

from deepbayes.experiments.settings.errors import did_you_mean

PARSE_ONLY = "DEEPBAYES_PARSE_ONLY"
"""Environment variable under which commands are read and checked, and nothing is run."""


class CommandParser(argparse.ArgumentParser):
    """Refuses unknown options, values outside of `choices` and unknown commands in one line on standard error."""

    def error(self, message: str) -> None:
        """Exits with code 2."""
        hint = "" if message.endswith("?") else f"; {self.prog} --help says more"
        self.exit(2, f"error: {message}{hint}\n")

    def parse_known_args(self, args=None, namespace=None):
        """As argparse, but a parser without further commands refuses an unknown option itself, since it knows its own.

        A parser without `add_help` hands unknown options on.
        """
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown and self.add_help and self._subparsers is None:
            self.refuse_unknown(unknown)
        return namespace, unknown

    def refuse_unknown(self, arguments: list[str]) -> None:
        """Exits with code 2, naming the first unknown option, or where there is none the first argument."""
        options = [a for a in arguments if a.startswith("-")]
        name = (options or arguments)[0].partition("=")[0]
        what = "option" if options else "argument"
        self.error(f"unknown {what} {name}{did_you_mean(name, self._option_string_actions)}")

    def _check_value(self, action: argparse.Action, value) -> None:
        if action.choices is None or value in action.choices:
            return
        hint = did_you_mean(value, action.choices) if isinstance(value, str) else ""
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"unknown command {value}{hint}")
        listed = "" if hint else f"; it is one of {', '.join(map(str, action.choices))}"
        raise argparse.ArgumentError(action, f"unknown value {value}{hint}{listed}")


def only_parses() -> bool:
    """Whether a command ends once its arguments were found in order."""
    return bool(os.environ.get(PARSE_ONLY))


def refuse(error: Exception) -> int:
    """Prints an error of the user in one line; the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return 2
