"""`deepbayes COMMAND ...`, `python -m deepbayes COMMAND ...`, `./run_experiments.sh COMMAND ...`: one front door."""

import importlib
import sys

ELSEWHERE = {
    "parity": "legacy_port.parity_command",
    "legacy": "legacy_port.command_line",
    "benchmark": "benchmarks.command",
}
"""Commands of rooms on which nothing in experiments/ depends."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0, 1 (outside), 2 (error of the user), 3, 130 (interrupted)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    room = ELSEWHERE.get(arguments[0]) if arguments else None
    if room is None:
        return importlib.import_module("deepbayes.experiments.command_line.main").main(arguments)
    return importlib.import_module(f"deepbayes.{room}").main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
