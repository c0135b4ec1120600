"""`./run_experiments.sh benchmark`. No array library is imported before the options are read, so that help is
immediate.
"""

import argparse
import importlib
import os
from pathlib import Path

from deepbayes import PROGRAM, ROOT
from deepbayes.experiments.command_line.argument_parser import CommandParser
from deepbayes.experiments.command_line.main import run_safely
from deepbayes.experiments.command_line.types import positive
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    return run_safely(lambda: importlib.import_module("deepbayes.benchmarks.measure").measure(options))


def parser() -> argparse.ArgumentParser:
    text = "How fast ours is beside a plain port, both timed in turns in one run."
    parser = CommandParser(f"{PROGRAM} benchmark", description=text)
    add = parser.add_argument
    add("--classifiers", nargs="+", choices=SEVEN_NAMES, default=list(SEVEN_NAMES), metavar="NAME", help="default: all")
    add("--rounds", type=positive, default=7, metavar="N", help="turns of each contender (default 7)")
    add("--quick", action="store_true", help="MNIST's networks only: no memory, no growth, no CIFAR sizes")
    add("--torch", metavar="PYTHON", help="an interpreter that has PyTorch: the same networks in it take their turns")
    folder = Path(os.environ.get("DEEPBAYES_RESULTS") or ROOT / "results") / "benchmark"
    add("--output", type=Path, default=folder, metavar="DIR", help="default results/benchmark")
    return parser
