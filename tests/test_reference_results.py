"""The results that come with the project, and what docs/reproduction.md says of them."""

import json
import re

import pytest

from data import mnist
from data.registry import DATASETS
from experiments import cli
from experiments.parser import ROOT
from experiments.reporting.reference import Key, published_values
from experiments.results import ResultsStore
from models.factorisation import SEVEN_NAMES
from models.zoo import usable_card
from reproduction import regression_report
from reproduction.compare import INCOMPARABLE, OUTSIDE, WITHIN
from reproduction.gathered import COMMITTED, best, figures_of, figures_that_count
from reproduction.layout import tables_of
from reproduction.regression import comparisons_of

PAGE = (ROOT / "docs" / "reproduction.md").read_text()


@pytest.fixture(scope="module")
def comparisons():
    return comparisons_of([COMMITTED], None)


def test_they_are_of_the_shipped_weights_the_official_test_set_and_the_papers_protocol():
    results = ResultsStore(COMMITTED).all()
    cards = {name: usable_card("mnist", name)["sha256"] for name in SEVEN_NAMES}
    assert results
    for result in results:
        s = result["settings"]
        assert (s["protocol"]["name"], s["data_sha256"], s["seed"]) == ("paper", mnist.SHA256["test"], 0)
        assert s["weights_sha256"] == cards[s["victim"]]


def test_they_are_json_alone():
    assert {file.suffix for file in COMMITTED.rglob("*") if file.is_file()} == {".json"}
    assert all(json.loads(file.read_text())["versions"] for file in COMMITTED.rglob("*.json"))


@pytest.mark.parametrize("name", re.findall(r"^### Table ([A-Z]\.\d+)", PAGE, re.MULTILINE))
def test_the_page_repeats_the_tables(name):
    ours, place = best(figures_that_count(COMMITTED)), f"Table {name}"
    for table in tables_of(place, figures_of(place), ours):
        assert table.markdown().strip() in PAGE


def test_the_page_repeats_the_regression_and_names_all_that_is_outside(comparisons):
    where = "The results that come with the project against the paper"
    assert regression_report.summary(comparisons, where).markdown().strip() in PAGE
    for table in regression_report.listings(comparisons):
        if table.title == "Outside":
            for figure, *_ in table.rows:
                assert f"| {figure} |" in PAGE


def test_the_readme_repeats_the_accuracies_under_fgsm():
    """ "93.6 (94.2)": ours and the paper's."""
    ours, readme = best(figures_that_count(COMMITTED)), (ROOT / "README.md").read_text()
    for name in SEVEN_NAMES:
        keys = [Key("mnist", name, "fgsm", f"eps={eps:g}", "accuracy_percent") for eps in DATASETS["mnist"].eps_grid]
        cells = " | ".join(f"{ours[key].value:.1f} ({published_values()[key]:.1f})" for key in keys)
        assert f"| {name} | {cells} |" in readme


def test_nine_in_ten_of_the_comparable_figures_are_within(comparisons):
    verdicts = [c.verdict for c in comparisons]
    assert verdicts.count(WITHIN) >= 9 * verdicts.count(OUTSIDE)
    assert verdicts.count(WITHIN) > verdicts.count(INCOMPARABLE)


@pytest.mark.parametrize("name", ["F.1"])
def test_a_table_prints_from_them_without_running_anything(name, tmp_path, capsys):
    assert cli.main(["table", name, "--output", str(tmp_path)]) == 0
    out, error = capsys.readouterr()
    assert "protocol paper" in out
    assert "missing" not in error
