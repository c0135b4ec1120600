"""Figures known to be outside: the file that lists them, the verdict, the reports."""

import json
import re
from collections import Counter
from xml.etree import ElementTree

import pytest
from test_compare import figure

from conftest import put
from deepbayes.experiments.command_line import main
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.models.files import FileError
from deepbayes.reproduction.collect import COMMITTED
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, WITHIN, Reference, compare
from deepbayes.reproduction.regression import known_differences as module
from deepbayes.reproduction.regression.command import compared
from deepbayes.reproduction.regression.known_differences import (
    anchors_of,
    known_differences,
    mark_known,
    no_longer_there,
)

HEADER = "dataset,classifier,attack,parameter,metric,why,section"
ROW = "mnist,GF?,pgd,eps=0.2,accuracy_percent,another draw of the noise,dbx-under-pgd-and-mim"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Puts rows in the place of those that come with the project; returns the file."""

    def write(*lines: str):
        file = tmp_path / "known_differences.csv"
        file.write_text("\n".join([HEADER, *lines]) + "\n")
        monkeypatch.setattr(module, "FILE", file)
        known_differences.cache_clear()
        return file

    yield write
    known_differences.cache_clear()


def against(value: float, **changed):
    return compare(figure(value, **changed), Reference(50.0, 10_000, "Table"))


def test_every_row_that_comes_with_the_project_is_of_a_shipped_figure_and_explains_it():
    comparisons = compared([COMMITTED])[0]
    known = [c for c in comparisons if c.verdict == KNOWN]
    assert Counter(sum(k.matches(c.estimate.key) for c in known) for k in known_differences()) == {1: len(known)}
    assert not no_longer_there(comparisons)
    assert not any(c.verdict == OUTSIDE for c in comparisons)
    assert all(abs(c.difference) > c.tolerance for c in known)
    assert all(re.search(r"\(docs/results/differences\.md#[a-z-]+\)$", c.reason) for c in known)


def test_what_is_outside_and_expected_is_known_with_its_reason_and_nothing_else_is(rows):
    rows(ROW)
    expected, within = against(70.0), against(51.0)
    other = against(70.0, key=("mnist", "GBZ", "pgd", "eps=0.2", "accuracy_percent"))
    incomparable = against(70.0, targeted=True)
    marked = mark_known([expected, within, other, incomparable])
    assert [c.verdict for c in marked] == [KNOWN, WITHIN, OUTSIDE, INCOMPARABLE]
    assert marked[0].reason == "another draw of the noise (docs/results/differences.md#dbx-under-pgd-and-mim)"
    assert (marked[0].difference, marked[0].tolerance) == (expected.difference, expected.tolerance)


def test_a_known_difference_that_came_within_is_told_in_one_line_with_where_to_remove_it(rows):
    rows("mnist,DBX,pgd,eps=0.1,accuracy_percent,steps,dbx-under-pgd-and-mim", ROW)
    (line,) = no_longer_there(mark_known([against(51.0)]))
    assert line == (
        "known difference no longer there: mnist GFZ pgd eps=0.2 accuracy_percent (51 on 1,000 images, the paper's "
        "50); remove it from reference/known_differences.csv, line 3"
    )
    assert no_longer_there(mark_known([against(70.0)])) == []
    gfy = against(70.0, key=("mnist", "GFY", "pgd", "eps=0.2", "accuracy_percent"))
    assert no_longer_there(mark_known([against(51.0), gfy])) == []  # one row: the other of its figures is still outside
    assert no_longer_there(mark_known([against(51.0, targeted=True)])) == []  # nothing was compared


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("mnist,GFZ,pgd,*,*,,dbx-under-pgd-and-mim", "takes dataset, classifier"),
        ("mnist,GFZ", "takes dataset, classifier"),
        (f"{ROW},more", "takes dataset, classifier"),
        ("mnist,GFZ,pgd,eps=0.25,accuracy_percent,no such eps,dbx-under-pgd-and-mim", "is mnist GFZ pgd eps=0.25"),
        ("mnist,gfz,pgd,eps=0.2,accuracy_percent,another case,dbx-under-pgd-and-mim", "no figure in paper_2019.csv"),
        ("mnist,GFZ,pgd,eps=0.2,accuracy_percent,unexplained,what-nobody-wrote", "no section 'what-nobody-wrote'"),
    ],
)
def test_a_row_that_is_not_in_order_is_refused_by_file_and_line(rows, row, message):
    file = rows(ROW, row)
    with pytest.raises(FileError, match=re.escape(f"{file}, line 3: ")) as refused:
        known_differences()
    assert message in str(refused.value)


def test_a_regression_with_a_bad_row_ends_with_2_and_writes_nothing(rows, tmp_path, capsys):
    rows("mnist,GFZ,pgd,eps=0.2,accuracy_percent,unexplained,nowhere")
    assert main.main(["regression", "--results", str(COMMITTED), "--output", str(tmp_path / "out")]) == 2
    message = "known_differences.csv, line 2: docs/results/differences.md has no section 'nowhere'"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_the_file_a_regression_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FILE", tmp_path / "known_differences.csv")
    known_differences.cache_clear()
    with pytest.raises(FileError, match="is missing"):
        known_differences()


def test_anchors_are_made_as_github_makes_them_and_not_from_code():
    page = (
        "# Does it?\n\n```bash\n# a comment\n```\n### Transfer from GFY, and to DBX\n\n#### GBZ-shallow\ntext # more\n"
    )
    assert anchors_of(page) == {"does-it", "transfer-from-gfy-and-to-dbx", "gbz-shallow"}


def test_the_reports_list_known_figures_apart_and_the_regression_passes(tmp_path, capsys):
    assert main.main(["regression", "--results", str(COMMITTED), "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    n = len(known_differences())
    assert "mnist DBX pgd eps=0.2 accuracy" in out
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    skipped = [case.find("skipped").get("message") for case in suite if case.find("skipped") is not None]
    assert suite.get("failures") == "0"
    assert int(suite.get("skipped")) == len(skipped)
    assert sum(message.startswith("known: ") and "tolerance" in message for message in skipped) == n
    written = (tmp_path / "regression.md").read_text()
    _, _, each = written.partition("**Every figure known**")
    assert "docs/results/differences.md#gfy-under-pgd-and-mim" in each.partition("**")[0]
    assert f"| {n} | " in next(line for line in written.splitlines() if line.startswith("| all |"))
    assert (tmp_path / "regression.html").read_text().count("<tr class='known'>") == 2 * n
    assert "<tr class='outside'>" not in (tmp_path / "regression.html").read_text()


def test_against_an_earlier_folder_nothing_is_known(tmp_path):
    stored = COMMITTED / "mnist" / "DBX"
    (clean,) = (f for f in stored.glob("clean-*.json") if json.loads(f.read_text())["n"] == 1_000)
    (moved,) = (f for f in stored.glob("pgd_eps0.20-*.json"))
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        for file in (clean, moved):
            copy = folder / "mnist" / "DBX" / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(file.read_text())
    assert put(after, json.loads(moved.read_text()) | {"accuracy": rate(800, 1_000)}).name == moved.name
    assert Counter(c.verdict for c in compared([after], before)[0]) == {WITHIN: 1, OUTSIDE: 1}
    assert Counter(c.verdict for c in compared([after])[0]) == {WITHIN: 1, KNOWN: 1}
