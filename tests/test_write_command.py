"""Settings as command lines and back: whatever a command reads is written so that it reads the same."""

import os
import shlex
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line import types
from deepbayes.experiments.command_line.commands import BY_ATTACK, COMMANDS, HANDED_ON
from deepbayes.experiments.command_line.main import _WITHOUT_RUN
from deepbayes.experiments.command_line.parser import PREFIX, default_output, parser
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.command_line.write_command import arguments
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.run_settings import AttackSettings, DetectionSettings, RunSettings

with pytest.MonkeyPatch.context() as without_the_users:
    without_the_users.delenv("DEEPBAYES_DATA", raising=False)
    PARSER = parser()
READ = [name for name in COMMANDS if name not in (*HANDED_ON, *_WITHOUT_RUN, "test")]
OF_OWN_IMAGES = {"--image-size", "--grey", "--rgb", "--range", "--group", "--skip-unreadable"}
"""Options that only --data makes sense of."""
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
    None: st.text("ab1 -.$(+)", min_size=1),
}
"""Type of an option -> texts that it takes."""


def command_parser(command: str):
    return PARSER._subparsers._group_actions[0].choices[command]


def options_of(command: str) -> dict:
    """The parser's options of a command, by their first name, but for those that change no settings."""
    return {a.option_strings[0]: a for a in command_parser(command)._actions if a.dest not in ("help", "quiet")}


def foreign(command: str, attack: str) -> set[str]:
    """Budgets of other attacks."""
    return {f"--{b}" for b in BUDGETS - {ATTACKS[attack].parameter}} if attack in ATTACKS else set()


def texts(option) -> st.SearchStrategy[list[str]]:
    """What may follow an option."""
    if option.nargs == 0:
        return st.just([])
    if option.choices:
        one = st.sampled_from([str(c) for c in option.choices])
    elif option.dest.startswith(PREFIX):
        one = NUMBERS | FLOATS | FLOATS.map(lambda v: f"-{v}")  # which the attack refuses, later
    elif option.dest == "output":
        one = PATHS
    else:
        one = VALUES[option.type]
    least, most = (1, 3) if option.nargs == "+" else (option.nargs or 1, option.nargs or 1)
    return st.lists(one, min_size=least, max_size=most)


def with_values(name: str, values: list[str]) -> list[str]:
    """--name VALUE ..., or --name=VALUE, which may begin with a dash."""
    return [f"{name}={values[0]}"] if len(values) == 1 else [name, *values]


@st.composite
def command_lines(draw, command: str) -> list[str]:
    """Any options of a command, in any order, but for those that exclude each other."""
    options, attack = options_of(command), command
    line = [command]
    if command in BY_ATTACK:
        attack = draw(st.sampled_from(options["--attack"].choices))
        line += ["--attack", attack]
    usable = sorted(options.keys() - foreign(command, attack) - {"--attack"})
    chosen = draw(st.lists(st.sampled_from(usable), unique_by=lambda n: options[n].dest, max_size=8))
    if OF_OWN_IMAGES & {*chosen}:
        chosen = ["--data", *(n for n in chosen if n not in ("--data", "--dataset"))]
    for name in chosen:
        line += with_values(name, draw(texts(options[name])))
    return line


def read(line: list[str]) -> RunSettings:
    return run_settings(PARSER.parse_args(line))


@pytest.mark.parametrize("command", READ)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_written_reads_as_the_same_settings(command, data):
    try:
        asked = read(data.draw(command_lines(command)))
    except UsageError:  # options that do not go together
        reject()
    assert read(arguments(command, asked)) == asked


@pytest.mark.parametrize("command", READ)
def test_every_single_option_survives(command):
    """One by one, so that none is left to chance."""
    for name, option in options_of(command).items():
        line = [command, *_needed(command, name), *with_values(name, _example(option))]
        asked = read(line)
        written = arguments(command, asked)
        assert read(written) == asked, line
        defaults = name == "--output" or _example(option) == [str(option.default)]
        assert defaults or any(w.split("=")[0] == name for w in written), line


def _needed(command: str, name: str) -> list[str]:
    """What must stand beside an option: the attack whose budget it is, where the command takes several; --data."""
    if name in OF_OWN_IMAGES:
        return ["--data", "images"]
    attacks = [a for a in BY_ATTACK.get(command, ()) if f"--{ATTACKS[a].parameter}" == name]
    return ["--attack", attacks[0]] if attacks else []


def _example(option) -> list[str]:
    if option.nargs == 0:
        return []
    if option.choices:
        return [str(list(option.choices)[-1])]
    if option.type in (types.share, types.not_negative):
        return ["0.123456789"]
    if option.nargs == 2:
        return ["-7", "0.5"]
    return ["a folder/file"] if option.type is Path or option.dest == "output" else ["7"]


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


def test_a_negative_number_is_no_option():
    asked = RunSettings(default_output(), attack=AttackSettings("pgd", (), {"step_size": -1e-05}))
    assert "--step-size=-0.00001" in arguments("pgd", asked)


def test_a_path_that_begins_with_a_dash_is_no_option():
    asked = RunSettings(default_output(), victim_models=(Path("-mine.keras"),), classifiers=())
    line = arguments("evaluate", asked)
    assert f".{os.sep}-mine.keras" in line
    assert read(line) == asked
