"""A mistake on the command line is answered in one line, with what was probably meant, and exit code 2."""

import os
import subprocess
import sys

import pytest

from deepbayes.__main__ import main
from deepbayes.experiments.command_line.argument_parser import PARSE_ONLY
from deepbayes.experiments.command_line.commands import COMMANDS
from deepbayes.legacy_port.command_line import parser as legacy_parser
from helpers import ROOT


def refused(line: str, capsys) -> str:
    """What is said to a command line with a mistake."""
    try:
        code = main(line.split())
    except SystemExit as stopped:
        code = stopped.code
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err.strip()


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("fgms", "unknown command fgms; did you mean fgsm?"),
        ("Regresion", "did you mean regression?"),
        ("fgsm --clasifiers GBZ", "unknown option --clasifiers; did you mean --classifiers?"),
        ("fgsm --clasifiers=GBZ", "unknown option --clasifiers; did you mean --classifiers?"),
        ("fgsm --classifiers gbz", "unknown value gbz; did you mean GBZ"),
        ("train --dataset minst", "unknown value minst; did you mean mnist"),
        ("detect --attack pdg", "unknown value pdg; did you mean pgd?"),
        ("wbs --statistic marginl", "did you mean marginal?"),
        ("report --atack fgsm", "did you mean --attack?"),
        ("regression --aginst x", "did you mean --against?"),
        ("parity --quite FILE.npz", "unknown option --quite; did you mean --quiet?"),
        ("benchmark --rouds 3", "unknown option --rouds; did you mean --rounds?"),
        ("benchmark --classifiers GFx", "did you mean GFZ"),
        ("legacy atack", "unknown command atack; did you mean attack?"),
        ("legacy attack --targted", "unknown option --targted; did you mean --targeted?"),
        ("legacy attack --data mnits", "did you mean mnist?"),
        ("--verson fgsm", "unknown option --verson; did you mean --version?"),
        ("fgsm --c 3", "it is one of GFZ, GFY"),
        ("detect --attack pgd --c 3 --eps 0.1", "pgd has no --c; its budget is --eps"),
        ("train --kl-warmup 12", "it is one of 0, 1, 2"),
        ("fgsm stray", "unknown argument stray; ./run_experiments.sh fgsm --help"),
        ("dance", "unknown command dance; ./run_experiments.sh --help"),
    ],
)
def test_a_mistake_is_answered_with_what_was_meant(line, meant, capsys):
    assert meant in refused(line, capsys)


@pytest.mark.parametrize(
    ("line", "code"),
    [("fgsm --classifiers GBZ", 0), ("parity none.npz", 0), ("legacy attack", 0), ("table F.1", 0), ("test -k x", 0),
     ("benchmark", 0), ("fgsm --classifirs GBZ", 2), ("fgsm --image-size 3", 2), ("legacy atack", 2), ("fgms", 2)],
)  # fmt: skip
def test_where_commands_are_only_read_nothing_is_run_and_no_package_is_needed(line, code, tmp_path):
    environment = os.environ | {PARSE_ONLY: "1", "PYTHONPATH": str(ROOT), "DEEPBAYES_RESULTS": str(tmp_path / "r")}
    command = [sys.executable, "-S", "-B", "-P", "-m", "deepbayes", *line.split()]  # -S: no package is found
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert not list(tmp_path.iterdir())


def options_of(parser) -> list:
    return [a for a in parser._actions if a.dest != "help"]


def test_every_option_of_2019s_commands_is_described():
    commands = legacy_parser()._subparsers._group_actions[0].choices
    silent = [f"{name} {a.dest}" for name, command in commands.items() for a in options_of(command) if not a.help]
    assert not silent


def test_every_command_that_computes_can_be_quiet():
    from deepbayes.experiments.command_line.parser import parser

    choices = parser()._subparsers._group_actions[0].choices
    can = {name for name in COMMANDS if "--quiet" in choices[name]._option_string_actions}
    others = {"report", "table", "figure", "regression", "parity", "legacy", "benchmark", "test"}
    assert can == COMMANDS.keys() - others
