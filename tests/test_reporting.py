"""Tables from made-up results: which stand together, under which file name, and what captions say."""

import pytest
from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.measurements.progress import print_tables
from deepbayes.experiments.reporting import detection_figures, report
from deepbayes.experiments.reporting.detection_tables import detection_tables
from deepbayes.experiments.reporting.grouping import detection_groups, groups, transfer_groups
from deepbayes.experiments.reporting.identity import attack_of
from deepbayes.experiments.reporting.summary_tables import worst_case_tables
from deepbayes.experiments.reporting.tables import Table, accuracy_table
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.reproduction.compare import identity
from deepbayes.reproduction.estimates import estimates_of
from rich.console import Console

N = 4


def result(victim="DFX", attack="fgsm", eps=0.1, samples=10, weights="a" * 64, right=2, **settings) -> dict:
    """What an attack stores, or `clean`, without the arrays."""
    s = {
        "attack": attack, "victim": victim, "dataset": "mnist", "num_images": N, "seed": 0, "targeted": False,
        "protocol": {"name": "corrected"}, "weights_sha256": weights,
    }  # fmt: skip
    s |= {"samples": samples} if samples else {}
    s |= {"eps": eps, "options": {}} if attack != "clean" else {}
    share = rate(right, N)
    content = {"n": N, "accuracy": share, "labels": [0] * N, "predictions": [0] * right + [1] * (N - right)}
    content |= {"bound": None, "success_right_before": share, "unmoved": share, "fresh_draws": None, "seconds": {}}
    return {"settings": s | settings} | content


def attacked(victim="DFX", attack="fgsm", **settings) -> list[dict]:
    """The clean result of a victim, and one of an attack."""
    own = {k: v for k, v in settings.items() if k in ("samples", "weights")}
    return [result(victim, "clean", **own), result(victim, attack, **settings)]


def detection(victim="DFX", guard="", images=55_000, rate=0.05, guard_settings=None, **settings) -> dict:
    """What a guard, the victim itself unless named, noticed: the settings alone."""
    how = {"guard": guard or victim, "chosen_guard": bool(guard), "rate": rate, "calibration": {"images": images}}
    return result(victim, detection=how | {"guard_settings": guard_settings or {}}, **settings)


def held(found) -> list[tuple]:
    return [(g.attack, g.samples, list(g.victims)) for g in found]


# ---- victims without samples -----------------------------------------------------------------------------------------


def test_an_attack_on_a_model_without_samples_is_shown_where_the_classifiers_have_another():
    mine = attacked("mine", "pgd", samples=None)
    assert held(groups(mine)) == [("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine)) == [("fgsm", 10, ["DFX"]), ("pgd", None, ["mine"])]
    assert held(groups(attacked("DFX") + mine[:1])) == [("fgsm", 10, ["DFX"])]
    assert held(groups([result("DFX", "clean"), *mine[:1]])) == [("clean", 10, ["DFX", "mine"])]


def test_the_worst_case_of_a_model_without_samples_has_a_file_of_its_own(tmp_path):
    options = {"steps": 3}
    results = attacked("DFX") + attacked("DFX", "pgd")
    results += attacked("mine", samples=None, options=options) + attacked("mine", "pgd", samples=None, options=options)
    report.show(ResultsStore(tmp_path), results)
    files = {f.stem: f.read_text() for f in tmp_path.glob("mnist/worst_case_*.md")}
    assert files.keys() == {"worst_case_corrected_n4", "worst_case_mine_corrected_n4"}
    assert "| DFX |" in files["worst_case_corrected_n4"]


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


def wbs(protocol="corrected", images=55_000, **settings) -> dict:
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
    first, second = (identity(figure) for figure in estimates_of([usual, other]))
    assert first != second


def student(sha256: str, **settings) -> dict:
    through = {"kind": "greybox", "student_images": 100, "weights_sha256": sha256 * 64}
    made = result(through=through, **settings)
    return made | {"student": {"accuracy": rate(1, N)}}


def test_results_through_several_students_are_told_apart_by_the_students_weights():
    clean, first, second = result(attack="clean"), student("b"), student("c", right=1)
    (alone,) = groups([clean, first, student("c", seed=1)])
    assert list(alone.victims) == ["DFX"]
    (both,) = groups([clean, first, second])
    assert list(both.victims) == ["DFX#student-bbbbbb", "DFX#student-cccccc"]
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
        noticed = detection("GBZ", rate=false)
        rates = {"fp": rate(0, N), "tp": rate(1, 2), "unnoticed_errors": rate(1, N), "auroc": None}
        (group,) = detection_groups([noticed | {"detectors": {"kl": rates}, "union": rates}])
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
    print_tables([wide(8).rich(), wide(2).rich()], tmp_path)
    text, told = capsys.readouterr()
    assert all(cell in text for cell in wide(8).rows[0])
    assert not told
    Console(width=120).print(wide(2).rich())
    assert text.endswith(capsys.readouterr().out)


def test_a_narrow_terminal_is_told_once_which_file_has_all_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "70")
    print_tables([wide(8).rich()] * 2, tmp_path / "fgsm.md")
    assert capsys.readouterr().err.count("fgsm.md has them all") == 1
    print_tables([wide(2).rich()], tmp_path / "fgsm.md")
    assert not capsys.readouterr().err
