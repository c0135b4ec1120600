"""Settings as command lines and back: whatever a command reads is written so that it reads the same."""

import os
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line import types
from deepbayes.experiments.command_line.commands import BY_ATTACK, COMMANDS, HANDED_ON
from deepbayes.experiments.command_line.main import _WITHOUT_RUN
from deepbayes.experiments.command_line.parser import PREFIX, default_output, parser
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.command_line.write_command import arguments
from deepbayes.experiments.settings.run_settings import AttackSettings, DetectionSettings, RunSettings
from hypothesis import given, settings
from hypothesis import strategies as st

with pytest.MonkeyPatch.context() as without_the_users:
    without_the_users.delenv("DEEPBAYES_DATA", raising=False)
    PARSER = parser()
READ = [name for name in COMMANDS if name not in (*HANDED_ON, *_WITHOUT_RUN, "test")]
BUDGETS = {a.parameter for a in ATTACKS.values()}


@pytest.fixture(autouse=True, scope="module")
def no_settings_of_the_users():
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("DEEPBAYES_DATA", "DEEPBAYES_RESULTS"):
            patch.delenv(variable, raising=False)
        yield


# ---- random command lines, made from the parser itself ---------------------------------------------------------------

NUMBERS = st.integers(1, 10**6).map(str)
FLOATS = st.floats(0, 10, exclude_min=True).map(repr)
PATHS = st.text("ab1 -_.é/'$", min_size=1, max_size=8).map(lambda p: f"./{p}" if p.startswith("-") else p)
VALUES = {
    types.positive: NUMBERS,
    types.count: NUMBERS | st.just("all"),
    types.calibration_count: NUMBERS | st.sampled_from(["all", "auto"]),
    types.seed: st.integers(0, 2_000_000).map(str),
    types.share: st.floats(0, 1, exclude_min=True, exclude_max=True).map(repr),
    types.not_negative: FLOATS | st.just("0"),
    float: st.floats(-1e9, 1e9).map(lambda v: format(Decimal(v), "f")),
    Path: PATHS,
    None: st.text("ab1 .$(+)", min_size=1),
}
"""Type of an option -> texts that it takes."""


def options_of(command: str) -> dict:
    """The parser's options of a command, by destination."""
    of_command = PARSER._subparsers._group_actions[0].choices[command]
    return {a.dest: a for a in of_command._actions if a.dest != "help"}


def texts(option) -> st.SearchStrategy[list[str]]:
    """What may follow an option."""
    if option.nargs == 0:
        return st.just([])
    if option.choices:
        one = st.sampled_from([str(c) for c in option.choices])
    elif option.dest.startswith(PREFIX):
        one = NUMBERS | FLOATS
    elif option.dest == "output":
        one = PATHS
    else:
        one = VALUES[option.type]
    least, most = (1, 3) if option.nargs == "+" else (option.nargs or 1, option.nargs or 1)
    return st.lists(one, min_size=least, max_size=most)


@st.composite
def command_lines(draw, command: str) -> list[str]:
    """Any options of a command, in any order; budgets only of the attack that is chosen."""
    options = options_of(command)
    attack = draw(st.sampled_from(options["attack"].choices)) if command in BY_ATTACK else command
    foreign = BUDGETS - {ATTACKS[attack].parameter} if attack in ATTACKS else set()
    line, usable = [command], sorted(options.keys() - foreign - {"attack"})
    line += ["--attack", attack] if command in BY_ATTACK else []
    for name in draw(st.lists(st.sampled_from(usable), unique=True, max_size=8)):
        line += [options[name].option_strings[0], *draw(texts(options[name]))]
    return line


def read(line: list[str]) -> RunSettings:
    return run_settings(PARSER.parse_args(line))


@pytest.mark.parametrize("command", READ)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_written_reads_as_the_same_settings(command, data):
    asked = read(data.draw(command_lines(command)))
    assert read(arguments(command, asked)) == asked


@pytest.mark.parametrize("command", READ)
def test_every_single_option_survives(command):
    """One by one, so that none is left to chance."""
    for name, option in options_of(command).items():
        after = [] if option.nargs == 0 else [_example(option)]
        # the attack whose budget it is, where the command takes several
        attack = next((a for a in BY_ATTACK.get(command, ()) if ATTACKS[a].parameter == name), None)
        line = [command, *(["--attack", attack] if attack else []), option.option_strings[0], *after]
        asked = read(line)
        written = arguments(command, asked)
        assert read(written) == asked, line
        usual = name == "output" or (option.default is not None and after == [str(option.default)])
        assert option.option_strings[0] in written or usual, line


def _example(option) -> str:
    if option.choices:
        return str(list(option.choices)[-1])
    if option.dest.startswith(PREFIX) or option.type in (types.positive, types.count, types.calibration_count):
        return "7"
    if option.type in (types.seed, types.share, types.not_negative):
        return "3" if option.type is types.seed else "0.123456789"
    return "a folder/file"


# ---- what it looks like ----------------------------------------------------------------------------------------------


def test_defaults_are_left_out_but_for_the_number_of_images():
    assert arguments("fgsm", read(["fgsm"])) == ["fgsm", "--num-images", "500"]
    assert arguments("train", read(["train"])) == ["train"]
    assert arguments("rings", read(["rings"])) == ["rings"]


def test_numbers_are_short_where_that_loses_nothing():
    asked = RunSettings(
        default_output(),
        attack=AttackSettings("pgd", (0.1, 1 / 3), {"steps": "40"}, known_noise=True),
        detection=DetectionSettings(rate=0.01),
    )
    line = arguments("detect", asked)
    assert line == shlex.split(
        "detect --attack pgd --eps 0.1 0.3333333333333333 --steps 40 --known-noise --num-images all --fpr 0.01"
    )
    assert read(line) == asked


def test_a_path_that_begins_with_a_dash_is_no_option():
    asked = RunSettings(default_output(), victim_models=(Path("-mine.keras"),), classifiers=())
    line = arguments("evaluate", asked)
    assert f".{os.sep}-mine.keras" in line
    assert read(line) == asked
