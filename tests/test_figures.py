"""Figures: the same look of a name everywhere, what they say, and those that come with the project can be made."""

import struct
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_reporting import attacked, detection, result

from conftest import ROOT
from deepbayes.experiments.reporting import detection_figures, figures
from deepbayes.experiments.reporting.grouping import detection_groups, groups
from deepbayes.models.registry import CLASSIFIERS
from deepbayes.reproduction.overview import OVERVIEWS
from helpers import run


@pytest.fixture
def drawn(monkeypatch) -> list:
    """Figures as they would be saved."""
    kept = []
    for module in (figures, detection_figures):
        monkeypatch.setattr(module, "save", lambda figure, file: kept.append(figure))
    yield kept
    plt.close("all")


def texts(figure) -> str:
    """Everything that is written on a figure."""
    return "\n".join(t.get_text() for t in figure.findobj(plt.Text))


def test_a_name_has_the_same_look_in_every_figure():
    alone = {name: figures.style([name])[name] for name in (*CLASSIFIERS, "mine")}
    assert figures.style([*reversed(CLASSIFIERS), "mine"]) == alone
    assert len({(tuple(np.atleast_1d(s["color"])), s["marker"]) for s in alone.values()}) == len(alone)


def test_models_of_a_users_are_told_apart_in_one_figure():
    looks = figures.style([f"model {k}" for k in range(12)]).values()
    assert len({(look["color"], look["marker"]) for look in looks}) == 12


def test_a_figure_says_what_the_colours_mean(drawn):
    (group,) = groups(attacked("GBZ") + attacked("DFX"))
    figures.accuracy_by_eps(group, None)
    assert "blue: generative, orange: discriminative" in texts(drawn[0])
    assert figures.colour_key(["DFX", "cnn", "mine"]) == "orange: discriminative, green: baseline, grey: yours"


def test_an_example_shows_the_true_class_and_what_was_predicted_by_name(drawn):
    clean = result("DFX", "clean", right=4, dataset="own_cats", classes=["cat", "a very long dog"])
    under = result("DFX", right=2, dataset="own_cats", classes=["cat", "a very long dog"])
    (group,) = groups([clean, under])
    arrays = {"examples": np.zeros((2, 8, 8, 1), np.uint8), "examples_row": np.array([0, 2])}
    figures.example_strip(group, lambda r: arrays, None)
    said = texts(drawn[0])
    assert said.count("true class: cat") == 2
    assert "a very .." in said
    wrong = [t for t in drawn[0].findobj(plt.Text) if t.get_color() == "red"]
    assert [t.get_text() for t in wrong] == ["a very .."]
    assert wrong[0].get_fontweight() == "bold"


def test_histograms_show_units_and_thresholds_and_roc_curves_end_at_ten_percent(drawn):
    (group,) = detection_groups([detection("DFX")])
    arrays = {"success": np.array([True, True, False, False]), "kl_thresholds": np.full(10, 0.3)}
    arrays |= {f"kl_{k}": np.linspace(0.1, 1, 4) for k in ("clean", "attacked", "score_clean", "score_attacked")}
    detection_figures.histograms(group, lambda r: arrays, None)
    assert "nats" in texts(drawn[0])
    assert "threshold" in texts(drawn[0])
    without = {k: v for k, v in arrays.items() if k != "kl_thresholds"}  # as results of older versions
    detection_figures.histograms(group, lambda r: without, None)
    assert "threshold" not in texts(drawn[1])
    detection_figures.roc_curves(group, lambda r: arrays, None)
    assert {axis.get_xscale() for axis in drawn[2].axes} == {"log"}
    assert {axis.get_xlim()[1] for axis in drawn[2].axes} == {10}


def pixels(file: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    return struct.unpack(">II", file.read_bytes()[16:24])


@pytest.mark.draws
def test_the_overview_is_drawn_from_what_comes_with_the_project_alone(tmp_path, capsys):
    names = list(OVERVIEWS)
    assert run("figure", *names, "--output", tmp_path / "a") == run("figure", *names, "--output", tmp_path / "b") == 0
    for name in names:
        first, second = (tmp_path / run / "paper" / f"{name}.png" for run in "ab")
        assert first.read_bytes() == second.read_bytes()
    for name in ("accuracy", "detection"):  # those of the README
        for folder in (tmp_path / "a" / "paper", ROOT / "docs" / "figures"):
            assert 1200 <= pixels(folder / f"{name}.png")[0] <= 1600
