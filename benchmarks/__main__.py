"""`python -m benchmarks`: errors of the user in one line, as of every command."""

import importlib
import sys

from experiments.cli import run_safely

if __name__ == "__main__":
    sys.exit(run_safely(lambda: importlib.import_module("benchmarks.command").main(sys.argv[1:])))
