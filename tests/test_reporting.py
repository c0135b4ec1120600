"""Tables from made-up results: which stand together, under which file name, and what captions say."""

import io
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from conftest import ROOT
from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.command_line.parser import parser
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.progress import print_tables
from deepbayes.experiments.reporting import detection_figures, pages, report
from deepbayes.experiments.reporting.detection_tables import detection_tables
from deepbayes.experiments.reporting.grouping import detection_groups, groups, transfer_groups
from deepbayes.experiments.reporting.summary_tables import worst_case_tables
from deepbayes.experiments.reporting.tables import Table, accuracy_table
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.identity import attack_of
from deepbayes.experiments.store.result import Result
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.reproduction.compare import experiment
from deepbayes.reproduction.estimates import estimates_of

N = 4


def content(victim="DFX", attack="fgsm", eps=0.1, samples=10, weights="a" * 64, right=2, **settings) -> dict:
    """What an attack stores, or `clean`, without the arrays."""
    s = {
        "attack": attack, "victim": victim, "dataset": "mnist", "num_images": N, "seed": 0, "targeted": False,
        "protocol": {"name": "corrected"}, "weights_sha256": weights,
    }  # fmt: skip
    s |= {"samples": samples, "likelihood": "l2"} if samples else {}
    s |= {"eps": eps, "options": {}} if attack != "clean" else {}
    share = rate(right, N)
    found = {"n": N, "accuracy": share, "labels": [0] * N, "predictions": [0] * right + [1] * (N - right)}
    found |= {"bound": None, "success_right_before": share, "unmoved": share, "fresh_draws": None}
    return {"settings": s | settings} | found | {"seconds": {} if attack != "clean" else 0.5}


def result(*arguments, **settings) -> Result:
    return Result.from_json(content(*arguments, **settings))


def attacked(victim="DFX", attack="fgsm", **settings) -> list[Result]:
    """The clean result of a victim, and one of an attack."""
    own = {k: v for k, v in settings.items() if k in ("samples", "weights")}
    return [result(victim, "clean", **own), result(victim, attack, **settings)]


def detection(victim="DFX", guard="", images=55_000, fpr=0.05, guard_settings=None, **settings) -> Result:
    """What a guard, the victim itself unless named, detected."""
    how = {"guard": guard or victim, "chosen_guard": bool(guard), "rate": fpr, "calibration": {"images": images}}
    rates = {"fp": rate(0, N), "tp": rate(1, 2), "unnoticed_errors": rate(1, N)}
    kl = rates | {"tp_class_averaged": 0.5, "auroc": 0.75, "true_rate_at": {"0.05": 0.5, "0.01": 0.0}}
    s = content(victim, detection=how | {"guard_settings": guard_settings or {}}, **settings)["settings"]
    return Result.from_json({"settings": s, "n": N, "union": rates, "detectors": {"kl": kl}})


def held(found) -> list[tuple]:
    return [(g.attack, g.samples, list(g.victims)) for g in found]


# ---- victims without samples -----------------------------------------------------------------------------------------


def test_an_attack_on_a_model_without_samples_is_shown_where_the_classifiers_have_another():
    mine = attacked("mine", "pgd", samples=None)
    assert held(groups(mine)) == [("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine)) == [("fgsm", 10, ["DFX"]), ("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine[:1])) == [("fgsm", 10, ["DFX"])]
    assert held(groups([result("DFX", "clean"), *mine[:1]])) == [("clean", 10, ["DFX", "mine"])]


def test_the_worst_case_of_a_model_without_samples_stands_beside_the_classifiers(tmp_path):
    options = {"steps": 3}
    results = attacked("DFX") + attacked("DFX", "pgd")
    results += attacked("mine", samples=None, options=options) + attacked("mine", "pgd", samples=None, options=options)
    report.show(ResultsStore(tmp_path), results)
    (file,) = tmp_path.glob("mnist/worst_case_*.md")
    assert file.stem == "worst_case_corrected_n4"
    assert {"| DFX | 50.0 (2) |", "| mine | 50.0 (2) |"} <= set(file.read_text().splitlines())


# ---- gradients -------------------------------------------------------------------------------------------------------

CHEAP, FULL = {"gradient_drops": 5e-5}, {"full_gradient": True}


def tables(found) -> dict[tuple, list[str]]:
    """Changed options of each table -> its rows."""
    return {g.changed: list(g.victims) for g in found}


def test_victims_without_a_cheaper_gradient_stand_with_the_others_of_the_run_by_either_gradient():
    few, default, full = attacked("DFX"), attacked("GFZ", **CHEAP), attacked("GFZ", **FULL)
    mark, both = (("full_gradient", "yes"),), ["GFZ", "DFX"]
    assert tables(groups(full + few)) == {mark: both}  # no table of DFX alone under the default run's file name
    assert tables(groups(default + few)) == {(): both}
    assert tables(groups(default + few + full)) == {(): both, mark: both}
    assert tables(groups(few)) == {(): ["DFX"]}
    other = attacked("DFX", samples=1)
    assert sorted(tables(groups(full + other)).values()) == [["DFX"], ["GFZ"]]
    assert tables(groups(full + few + attacked("mine", samples=None))) == {mark: [*both, "mine"]}
    ((_, worst),) = worst_case_tables(groups(default + few + full))
    assert worst.rows == [["GFZ", "50.0 (2)"], ["DFX", "50.0 (1)"]]  # the same result, not two attacks


def test_a_transfer_with_full_gradients_is_one_matrix():
    results = attacked("GFZ", **FULL) + attacked("DFX")
    for victim, source, mark in (("DFX", "GFZ", FULL), ("GFZ", "DFX", {})):
        through = {"kind": "transfer", "source": source, "settings": {"weights_sha256": "a" * 64}}
        results.append(result(victim, through=through, **mark))
    (matrix,) = transfer_groups(results)
    assert matrix.changed == (("full_gradient", "yes"),)
    assert len(matrix.cells) == 4


def test_detection_of_attacks_with_full_gradients_is_one_table():
    (group,) = detection_groups([detection("GFZ", **FULL), detection("DFX")])
    assert list(group.guards) == ["GFZ", "DFX"]


# ---- what tells two runs apart ---------------------------------------------------------------------------------------


def wbs(protocol="corrected", images=55_000, **settings) -> Result:
    """A result of WB+S against a detector."""
    evades = {"rule": "quantile", "rate": 0.05, "calibration": {"images": images}}
    options = ATTACKS["wbs"].defaults(protocol)
    return result(attack="wbs", protocol={"name": protocol}, evades=evades, options=options, **settings)


@pytest.mark.parametrize(
    ("usual", "other", "stem"),
    [
        (wbs(), wbs(images=1000), "wbs_calibration-images-1000_corrected_n4"),
        (wbs("paper", batch_size=N), wbs("paper", batch_size=2), "wbs_batch-size-2_paper_n4"),
    ],
)
def test_attacks_of_other_thresholds_or_batches_have_tables_of_their_own(usual, other, stem):
    protocol = usual["settings"]["protocol"]
    found = groups([result(attack="clean", protocol=protocol), usual, other])
    assert [g.stem for g in found] == [f"wbs_{protocol['name']}_n4", stem]
    first, second = (experiment(figure) for figure in estimates_of([usual, other]))
    assert first != second


def student(sha256: str, **settings) -> Result:
    through = {"kind": "greybox", "student_images": 100, "weights_sha256": sha256 * 64}
    return Result.from_json(content(through=through, **settings) | {"student": {"accuracy": rate(1, N)}})


def test_results_through_several_students_are_told_apart_by_the_students_weights():
    clean, first, second = result(attack="clean"), student("b"), student("c", right=1)
    (alone,) = groups([clean, first, student("c", seed=1)])
    assert list(alone.victims) == ["DFX"]
    (both,) = groups([clean, first, second])
    assert list(both.victims) == ["DFX#surrogate-bbbbbb", "DFX#surrogate-cccccc"]
    (detected,) = detection_groups([detection(through=r["settings"]["through"]) for r in (first, second)])
    assert list(detected.guards) == list(both.victims)
    assert attack_of(first["settings"]) == attack_of(second["settings"])


def test_minimum_perturbations_mix_no_two_students():
    grid = (0.1, 0.2, 0.3, 0.4, 0.5)
    results = [result(attack="clean"), *(student("b", eps=v) for v in grid), student("c", eps=0.1)]
    whole = [f for f in estimates_of(results) if f.key.metric == "min_linf_mean"]
    (alone,) = [f for f in estimates_of(results[:-1]) if f.key.metric == "min_linf_mean"]
    assert [f.settings for f in whole] == [alone.settings]


def test_chosen_guards_of_one_name_are_told_apart():
    def guards(*settings):
        results = [detection("mine", "GBZ", guard_settings=s, samples=None) for s in settings]
        return [g.chosen_guard for g in detection_groups(results)]

    usual = {"weights_sha256": "b" * 64, "samples": 10}
    assert guards(usual) == ["GBZ"]
    assert guards(usual, usual | {"weights_sha256": "c" * 64}) == ["GBZ#bbbbbb", "GBZ#cccccc"]
    assert guards(usual, usual | {"samples": 1}) == ["GBZ", "GBZ_K1"]


# ---- the paper's figures ---------------------------------------------------------------------------------------------

PAPERS = "In brackets the paper's"


def test_the_papers_detection_rates_stand_beside_its_own_false_positives_alone(monkeypatch):
    dashed = []
    monkeypatch.setattr(detection_figures, "save", lambda figure, file: dashed.append("2019" in figure.get_suptitle()))
    for false, shown in ((0.05, True), (0.01, False)):
        (group,) = detection_groups([detection("GBZ", fpr=false)])
        (table,) = (t for t in detection_tables(group) if "KL" in t.title)
        assert (PAPERS in table.caption) == ("(" in table.rows[0][2]) == shown
        detection_figures.detection_by_eps(group, None)
    assert dashed == [True, False]


@pytest.mark.parametrize(
    ("victim", "targeted", "shown"), [("DFX", False, True), ("DFX", True, True), ("mine", False, False)]
)
def test_the_caption_explains_brackets_where_there_are_any(victim, targeted, shown):
    (group,) = groups([result(victim, "clean"), result(victim, targeted=targeted)])
    table = accuracy_table(group)
    assert (PAPERS in table.caption) == any("(" in cell for cell in table.rows[0]) == shown


# ---- width -----------------------------------------------------------------------------------------------------------


def wide(columns: int) -> Table:
    cells = [f"{k}0.0 (94.2) [85.1]" for k in range(columns)]
    return Table("FGSM", ["classifier", *(f"eps 0.{k}" for k in range(columns))], [["GFZ", *cells]], "word " * 100)


def test_off_a_terminal_a_table_is_as_wide_as_it_needs_and_no_other_changes(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    print_tables([wide(8), wide(2)], tmp_path)
    text, told = capsys.readouterr()
    assert all(cell in text for cell in wide(8).rows[0])
    assert not told
    Console(width=120).print(wide(2).rich())
    assert text.endswith(capsys.readouterr().out)


def test_a_narrow_terminal_is_told_once_which_file_has_all_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    print_tables([wide(8)] * 2, tmp_path / "fgsm.md")
    assert capsys.readouterr().err.count("fgsm.md has them all") == 1
    monkeypatch.setenv("COLUMNS", "40")
    print_tables([wide(8)], tmp_path / "fgsm.md")
    assert not capsys.readouterr().err


def lines_of(table: Table, width: int) -> list[str]:
    """As a terminal of this width shows it."""
    console = Console(width=width, record=True, file=io.StringIO())
    for part in table.fitting(width):
        console.print(part)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_where_a_table_is_too_wide_the_papers_figure_stands_below_ours():
    rows = [["GFZ", *["94.6 (94.2)"] * 6], ["GBZ", *["100.0 (100.0)"] * 6]]
    table = Table("FGSM", ["classifier", "clean", *(f"eps 0.{k}" for k in range(1, 6))], rows, "In brackets.")
    assert any("94.6 (94.2)" in line for line in lines_of(table, 120))
    narrow = lines_of(table, 80)
    assert sum("94.6" in line for line in narrow) == sum("(94.2)" in line for line in narrow) == 1
    assert sum("┃" in line for line in narrow) == 1
    in_parts = lines_of(table, 60)
    assert [line.split()[1] for line in in_parts if "┃" in line] == ["classifier"] * 2
    assert in_parts[0] == "FGSM"
    assert in_parts[-1] == "In brackets."


def test_long_text_wraps_between_words_and_numbers_stay_whole():
    figure = "eps 0.1: 31, eps 0.2: 40, eps 0.3: 40"
    table = Table(
        "Checks", ["check", "verdict", "figure", "n"], [["success rises with eps (PGD)", "pass", figure, "40"]], ""
    )
    (line,) = (line for line in lines_of(table, 120) if figure in line)
    assert "success rises with eps (PGD)" in line
    narrow = " ".join(lines_of(table, 60))
    assert all(number in narrow for number in ("0.1:", "31,", "0.2:", "0.3:"))


NUMBER = re.compile(r"\d[\d.,]*")


@pytest.mark.parametrize("width", [80, 60])
@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_every_table_of_the_results_that_come_with_the_project_fits_and_loses_no_number(width, protocol):
    results = [r for r in ResultsStore(ROOT / "results" / "reference").all() if r.protocol == protocol]
    found = [table for page in pages.pages(results, lambda result: {}) for table in page.tables]
    assert found or protocol == "corrected"
    for table in found:
        lines = lines_of(table, width)
        assert max(map(cell_len, lines)) <= width, table.title
        numbers = Counter(NUMBER.findall("\n".join(lines)))
        assert not Counter(n for row in table.rows for c in row[1:] for n in NUMBER.findall(c)) - numbers, table.title


# ---- files after runs ------------------------------------------------------------------------------------------------


def kept(store: ResultsStore, *results: Result) -> list[Result]:
    """Results as a run stores them, with arrays for their figures."""
    found = []
    for r in results:
        arrays = {"examples": np.zeros((2, 28, 28, 1), np.uint8), "examples_row": np.array([0, 2])}
        if "detection" in r.settings:
            success = np.array([True, True, False, False])
            arrays = {"success": success} | {f"kl_{k}": np.linspace(0.1, 1, N) for k in ("clean", "attacked")}
            arrays |= {f"kl_score_{k}": np.linspace(0.1, 1, N) for k in ("clean", "attacked")}
        rest = {k: v for k, v in r.to_json().items() if k != "settings"}
        found.append(store.write(r.settings, rest, arrays))
    return found


def reported(folder: Path, dataset="mnist", protocol="corrected") -> int:
    return report.run(asked("--protocol", protocol, *(["--dataset", dataset] if dataset else []), output=folder))


def asked(*arguments, output: Path):
    """What `report` is asked for."""
    return parser().parse_args(["report", "--output", str(output), *arguments])


def rows(file: Path) -> list[str]:
    """First cells of a Markdown file's first table."""
    lines = file.read_text().partition("\n\n")[2].partition("\n\n")[0].splitlines()
    return [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]


def test_a_file_holds_all_results_of_its_group_and_the_terminal_those_asked_for_in_order(tmp_path, capsys):
    store, file = ResultsStore(tmp_path), tmp_path / "mnist" / "fgsm_corrected_n4.md"
    report.show(store, kept(store, *attacked("DFX"), *attacked("GBZ")))
    out = capsys.readouterr().out
    assert out.index("DFX") < out.index("GBZ")  # as asked for
    assert rows(file) == ["GBZ", "DFX"]  # as always
    report.show(store, kept(store, *attacked("mine", samples=None), *attacked("GFZ")))
    out = capsys.readouterr().out
    assert out.index("mine") < out.index("GFZ")
    assert "DFX" not in out
    assert rows(file) == ["GFZ", "GBZ", "DFX", "mine"]
    other = attacked("DBX", seed=1)
    report.show(store, kept(store, result("DBX", "clean", seed=1), other[1]))
    assert rows(file) == ["GFZ", "GBZ", "DFX", "mine"]  # of another run
    assert rows(tmp_path / "mnist" / "fgsm_corrected_n4_seed1.md") == ["DBX"]


def test_rows_of_detection_and_transfer_stand_in_the_order_asked_for(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    report.show(store, kept(store, detection("DFX"), detection("GBZ"), detection("GFZ")))
    out = capsys.readouterr().out
    assert out.index("DFX") < out.index("GBZ") < out.index("GFZ")
    pairs = [(v, s) for v in ("DFX", "GBZ") for s in ("DFX", "GBZ") if v != s]
    through = [{"kind": "transfer", "source": s, "settings": {"weights_sha256": "a" * 64}} for _, s in pairs]
    moved = [result(v, through=t) for (v, _), t in zip(pairs, through, strict=True)]
    report.show(store, kept(store, *attacked("DFX"), *attacked("GBZ"), *moved))
    out = capsys.readouterr().out.partition("FGSM: transfer")[2]
    assert out.index("from DFX") < out.index("from GBZ")
    assert out.index("│ DFX") < out.index("│ GBZ")


def test_only_the_files_that_a_run_belongs_in_are_written_anew(tmp_path, capsys):
    store, folder = ResultsStore(tmp_path), tmp_path / "mnist"
    report.show(store, kept(store, result("DFX", "clean"), result("GBZ", "clean")))
    assert rows(folder / "clean_corrected_n4.md") == ["GBZ", "DFX"]
    report.show(store, kept(store, *attacked("DFX")))
    assert not list(folder.glob("worst*"))
    report.show(store, kept(store, *attacked("GBZ", "pgd"), *attacked("DFX", "pgd")))
    (worst,) = folder.glob("worst*.md")
    assert set(worst.read_text().splitlines()) >= {"| DFX | 50.0 (2) |", "| GBZ | 50.0 (1) |"}
    before = (folder / "pgd_corrected_n4.md").stat().st_mtime_ns
    report.show(store, kept(store, *attacked("GFZ")))
    assert (folder / "pgd_corrected_n4.md").stat().st_mtime_ns == before
    assert rows(folder / "fgsm_corrected_n4.md") == ["GFZ", "DFX"]
    assert rows(folder / "clean_corrected_n4.md") == ["GFZ", "GBZ", "DFX"]  # is there, so it stays whole
    capsys.readouterr()
    assert reported(tmp_path) == 0
    out, err = capsys.readouterr()
    assert "Worst case" in out
    assert "Clean accuracy" not in out
    assert "computed" not in err


def test_detection_of_a_model_without_samples_stands_in_the_file_of_the_others(tmp_path):
    store = ResultsStore(tmp_path)
    report.show(store, kept(store, detection("DFX")))
    report.show(store, kept(store, detection("mine", samples=None)))
    assert rows(tmp_path / "mnist" / "detect_fgsm_corrected_n4.md") == ["DFX", "mine"]


# ---- what is chosen --------------------------------------------------------------------------------------------------


def test_a_report_shows_the_attacks_and_classifiers_asked_for_in_their_order(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    kept(store, *attacked("GBZ"), *attacked("DFX"), *attacked("GFZ"), *attacked("DFX", "pgd", seed=1), detection("DFX"))
    kept(store, result("DFX", "clean", seed=1))
    assert report.run(asked("--attack", "fgsm", "--classifiers", "DFX", "GBZ", output=tmp_path)) == 0
    out = capsys.readouterr().out
    assert out.index("DFX") < out.index("GBZ")
    assert "GFZ" not in out
    assert "PGD" not in out
    assert "Clean accuracy" not in out
    assert "detected by" in out
    assert rows(tmp_path / "mnist" / "fgsm_corrected_n4.md") == ["GFZ", "GBZ", "DFX"]  # the file stays whole


def test_a_report_of_a_classifier_that_has_no_results_says_which_have(tmp_path, capsys):
    kept(ResultsStore(tmp_path), *attacked("GBZ"))
    with pytest.raises(UsageError, match="called GBX; did you mean GBZ"):
        report.run(asked("--classifiers", "GBX", output=tmp_path))
    with pytest.raises(UsageError, match="no result is of these attacks and classifiers"):
        report.run(asked("--attack", "pgd", output=tmp_path))


# ---- odd names, odd folders ------------------------------------------------------------------------------------------

ODD = [
    "x/../..",
    "../../y",
    "[/x]",
    "$a$ and $b",
    "two\nlines",
    "\U0001f600",
    "<script>alert(1)</script>",
    "_mine",
    "a|b",
]
ODD += [":smile:", "\x1b[2J", "", "é" * 200, "G"]


@pytest.mark.draws
def test_odd_names_are_text_everywhere_and_every_file_stays_in_the_folder(tmp_path, capsys):
    store = ResultsStore(tmp_path / "results")
    made = [r for k, name in enumerate(ODD) for r in attacked(name, samples=None, weights=f"{k:064x}")]
    made += [detection(" ".join(ODD[:8]), samples=None)]
    kept(store, *made)
    assert reported(store.root) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    assert {p.parent for p in store.root.rglob("*.md")} == {store.root / "mnist"}
    out, err = capsys.readouterr()
    assert "warning" not in err
    for text in (out, (store.root / "mnist" / "fgsm_corrected_n4.md").read_text()):
        for shown in ("[/x]", "$a$ and $b", r"two\nlines", "\U0001f600", ":smile:", r"\x1b[2J", "x/../.."):
            assert shown in text
        assert "\x1b" not in text
    table = (store.root / "mnist" / "fgsm_corrected_n4.md").read_text()
    assert "| &lt;script>alert(1)&lt;/script> |" in table
    assert r"| a\|b |" in table
    assert "<script" not in table


def test_odd_options_and_guards_stay_in_the_folder(tmp_path):
    store = ResultsStore(tmp_path / "results")
    odd = [*attacked("mine", samples=None, options={"loss": "../../../z"}), detection("DFX", guard="../../v")]
    odd += [result("DFX", attack, left_out="/../../w") for attack in ("clean", "fgsm")]
    through = {"kind": "transfer", "source": "../../u", "settings": {"weights_sha256": "b" * 64}}
    kept(store, *odd, result("mine", through=through, samples=None))
    assert reported(store.root) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["results"]
    assert {p.parent for p in store.root.rglob("*.md")} == {store.root / "mnist"}
    assert len(list(store.root.rglob("*.md"))) == 4


def test_a_name_of_many_models_is_shortened_and_two_never_share_a_file(tmp_path):
    store, names = ResultsStore(tmp_path), [f"model number {k}" for k in range(25)]
    line = {"check": "a", "verdict": "pass", "figure": "1", "n": 4}
    results = []
    for last in ("one", "other"):
        s = content("DFX", "clean", beside=[*names, last])["settings"] | {"attack": "checks"}
        results.append(store.write(s, {"n": N, "lines": [line]}))
    report.show(store, results)
    files = [f.name for f in (tmp_path / "mnist").glob("checks_*.md")]
    assert len(files) == 2
    assert max(map(len, files)) < 255


@pytest.mark.draws
def test_whatever_lies_in_the_folder_does_not_end_a_report(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    kept(store, *attacked("DFX"), detection("DFX"))
    folder = tmp_path / "mnist" / "DFX"
    (folder / "broken-1.json").symlink_to("nowhere")
    (folder / "folder-1.json").mkdir()
    next(folder.glob("detect*.npz")).write_bytes(b"PK")
    next(folder.glob("clean*.npz")).unlink()
    (tmp_path / "mnist" / "fgsm_corrected_n4.md").mkdir()
    assert reported(tmp_path) == 0
    out, err = capsys.readouterr()
    assert "FGSM (white box, true labels): accuracy" in out
    assert err.count("left out") == 2
    assert "fgsm_corrected_n4.md (Is a directory); the tables above are all there is" in err
    assert (tmp_path / "mnist" / "detect_fgsm_corrected_n4.md").exists()
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_cannot_be_written_still_prints_its_tables(tmp_path, capsys, monkeypatch):
    store = ResultsStore(tmp_path)
    kept(store, *attacked("DFX"), *attacked("DFX", "pgd"), detection("DFX"))

    def refused(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refused)  # nobody's right stops root
    assert reported(tmp_path) == 0
    out, err = capsys.readouterr()
    assert all(title in out for title in ("FGSM (white", "PGD (white", "Worst case", "detected by any"))
    (line,) = err.splitlines()
    assert line.startswith("warning: cannot write")
    assert line.endswith(
        "fgsm_corrected_n4.md (Permission denied), nor 3 files more; the tables above are all there is"
    )


# ---- a user's own model with a name of the paper's -------------------------------------------------------------------


def test_a_users_model_never_stands_beside_the_papers_figures(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    mine = kept(store, *attacked("DBX", samples=None), detection("DBX", samples=None))
    report.show(store, [*mine, *kept(store, result("GBZ", "clean", samples=None))])
    assert "(5" not in capsys.readouterr().out.replace("(50", "")
    texts = [f.read_text() for f in (tmp_path / "mnist").glob("*.md")]
    assert len(texts) == 2
    assert not any(PAPERS in text for text in texts)
    report.show(store, kept(store, *attacked("DBX", weights="b" * 64), detection("DBX", weights="b" * 64)))
    (file,) = (tmp_path / "mnist").glob("fgsm*.md")
    ours, paper = (next(r for r in file.read_text().splitlines() if f"#{w}" in r) for w in ("aaaaaa", "bbbbbb"))
    assert "(" not in ours
    assert "(" in paper


# ---- speed -----------------------------------------------------------------------------------------------------------


def test_a_report_imports_neither_tensorflow_nor_what_draws():
    code = "import sys, deepbayes.experiments.reporting.report; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "deepbayes.experiments.reporting.pages" in loaded.stdout.split()
    assert not {"tensorflow", "keras", "matplotlib", "scipy", "sklearn"} & set(loaded.stdout.split())


def test_a_report_with_figures_imports_no_tensorflow(tmp_path):
    kept(ResultsStore(tmp_path), *attacked("DFX"), detection("DFX"))
    options = (
        f"output=pathlib.Path({str(tmp_path)!r}), dataset='mnist', protocol=None, html=False, csv=False, to=None, "
        "attack=None, classifiers=None"
    )
    code = (
        "import sys, argparse, pathlib; from deepbayes.experiments.reporting import report; "
        f"report.run(argparse.Namespace({options})); print('loaded', *sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras"} & set(done.stdout.partition("loaded")[2].split())
    ends = {f.name.removeprefix("detect_fgsm_corrected_n4") for f in (tmp_path / "mnist").glob("detect_*.*")}
    assert ends == {".md", ".png", "_histograms.png", "_roc.png"}
