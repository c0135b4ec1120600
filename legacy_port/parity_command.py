"""`./run_experiments.sh parity FILE.npz ...`. No array library is imported before the options are read, so that help
is immediate.
"""

import argparse
import importlib
from pathlib import Path

from deepbayes import PROGRAM
from deepbayes.experiments.command_line.argument_parser import CommandParser
from deepbayes.experiments.command_line.main import run_safely


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    parity = "deepbayes.legacy_port.parity"
    return run_safely(lambda: importlib.import_module(parity).compare(options.files, options.quiet))


def parser() -> argparse.ArgumentParser:
    text = (
        "Compute every quantity of golden files of the 2019 code again and compare. Exit code 0 where all are within "
        "tolerance, 1 where one is out, 2 where a file cannot be read."
    )
    parser = CommandParser(f"{PROGRAM} parity", description=text)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.npz", help="golden files")
    parser.add_argument("--quiet", action="store_true", help="print only rows that are out, and the totals")
    return parser
