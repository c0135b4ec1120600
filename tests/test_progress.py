"""What commands say while they work: bars on a terminal, a line a finished step elsewhere, only tables where quiet."""

import re

import pytest

from deepbayes.experiments.measurements import progress
from helpers import run


@pytest.fixture
def on_a_terminal(monkeypatch):
    monkeypatch.setattr(progress.console, "_force_terminal", True)


@pytest.fixture(autouse=True)
def loud_again():
    yield
    progress.be_quiet(False)


def work():
    """Two steps of two batches each."""
    with progress.bar(40, "GBZ") as bar:
        for eps in (0.1, 0.2):
            for _ in range(2):
                bar.advance(10)
            progress.step_done(f"GBZ: eps {eps}")
    progress.say("finished")


def test_off_a_terminal_every_finished_step_is_a_line_with_the_share_done_and_the_time(capsys):
    work()
    out, err = capsys.readouterr()
    assert not out
    first, second, last = err.splitlines()
    assert re.fullmatch(r"GBZ: eps 0.1 \(50 %, 0:00:0\d, 0:00:0\d left\)", first)
    assert re.fullmatch(r"GBZ: eps 0.2 \(100 %, 0:00:0\d\)", second)
    assert last == "finished"


def test_on_a_terminal_a_bar_is_drawn_and_no_line_a_step(capsys, on_a_terminal):
    work()
    err = capsys.readouterr().err
    assert "eps 0.1" not in err
    assert "\x1b[?25l" in err  # hides the cursor while the bar is there


def test_a_quiet_command_says_warnings_alone(capsys):
    progress.be_quiet(True)
    work()
    progress.warn("a result is damaged")
    assert capsys.readouterr().err == "warning: a result is damaged\n"


def test_quiet_leaves_the_tables(tmp_path, capsys):
    assert run("rings", "--quiet", "--output", tmp_path) == 0
    out, err = capsys.readouterr()
    assert "Two rings" in out
    assert not err
    assert run("rings", "--output", tmp_path) == 0
    assert "figure: " in capsys.readouterr().err
