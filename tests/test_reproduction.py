"""Tables, figures and the regression of the paper, from stored results."""

import csv
import dataclasses
import io
import json
import os
import re
import shutil
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from rich.console import Console

from attacks.registry import ATTACKS
from experiments import cli
from experiments.intervals import rate
from experiments.parser import parser
from experiments.plan import plan_of
from experiments.reporting.reference import FILE, Key, published
from experiments.results import ResultsStore, settings_hash
from models.factorisation import SEVEN_NAMES
from models.files import FileError
from reproduction import compare as compare_module
from reproduction.compare import INCOMPARABLE, OUTSIDE, WITHIN, Reference, compare, papers_figures
from reproduction.figure import draw
from reproduction.gathered import best, figures_of, figures_that_count, places
from reproduction.layout import METRICS, in_lines, tables_of
from reproduction.measured import Measured, key_of, measured
from reproduction.needs import hours, images_run, needed, why_not
from reproduction.regression import comparisons_of


@pytest.fixture(autouse=True)
def no_results_that_come_with_the_project(tmp_path, monkeypatch):
    for module in ("gathered", "regression"):
        monkeypatch.setattr(f"reproduction.{module}.COMMITTED", tmp_path / "none")


def run(*arguments) -> int:
    return cli.main([str(a) for a in arguments])


# ---- the published figures -------------------------------------------------------------------------------------------


def test_all_of_the_papers_figures_are_there():
    assert len(published()) == 3_895
    assert sum(p.kind == "digitised" for p in published()) == 184
    with open(FILE, newline="") as file:
        assert all(re.search(r", p\. \d+$", row["source"]) for row in csv.DictReader(file))
    sizes = {place: len(figures_of(place)) for place in places()}
    assert sizes["Table F.1"] == sizes["Table F.9"] == 130
    assert sizes["Table F.11"] == sizes["Table F.22"] == 95
    assert sizes["Table F.26"] == 200
    assert [p for p in places() if p.startswith("Table")][:5] == [
        "Table 1",
        "Table 2",
        "Table 3",
        "Table A.1",
        "Table A.2",
    ]
    assert sum(p.startswith("Table F") for p in places()) == 28


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("mnist", "GFZ", "fgsm", "eps=0.1", "accuracy_percent"), 94.2),
        (("mnist", "GBZ", "pgd", "eps=0.3", "accuracy_percent"), 32.5),  # F.2; Table 3 has 29.7 on 1,000 images
        (("mnist", "DBX", "clean", "", "accuracy_percent"), 98.98),  # A.2; the plot says 98.88
        (("mnist", "GBZ", "wbs_logit", "eps=0.2;lambda=10", "accuracy_percent"), 90.5),
        (("mnist", "GBZ", "clean", "dim_z=16", "accuracy_percent"), 97.11),
        (("mnist", "GFY", "pgd", "all eps", "min_linf_mean"), 0.21),  # Table 1; Figure 3 digitised 0.2139
        (("mnist", "GFZ", "transfer_pgd", "eps=0.3;from=GBZ", "accuracy_percent"), 64.4),
    ],
)
def test_a_figure_that_stands_in_several_places_is_the_first_appendix_tables_before_others(key, value):
    assert papers_figures()[Key(*key)].value == value


def test_every_figure_that_can_be_measured_has_a_command_that_the_command_line_takes():
    for place in places():
        figures = [f for f in figures_of(place) if not why_not(f)]
        for step in needed(figures):
            options = parser().parse_args(step.arguments("100"))
            assert set(options.classifiers) >= set(step.classifiers)
            assert options.protocol == "paper"
            if step.grid:
                assert tuple(getattr(options, step.parameter)) == step.grid
        covered = {(c, s.dataset, s.dim_z) for s in needed(figures) for c in s.classifiers}
        assert {(f.key.classifier, f.key.dataset) for f in figures} <= {(c, d) for c, d, _ in covered}


@pytest.mark.parametrize(
    "place", ["Table 1", "Table A.1", "Table A.2", "Table F.4", "Table F.5", "Table F.17", "Table F.26", "Figure A.4"]
)
def test_what_a_command_stores_has_the_keys_of_the_figures_that_asked_for_it(place):
    """The settings that each command's results will have, through `key_of`, over its grid."""
    figures = [f for f in figures_of(place) if not why_not(f)]
    keys = set()
    for step in needed(figures):
        options = parser().parse_args(step.arguments("100"))
        attack = getattr(options, "attack", options.command)
        for name in step.classifiers:
            victim = f"{name}_z{step.dim_z}" if step.dim_z else name
            settings = {"dataset": step.dataset, "victim": victim, "attack": "clean"}
            if attack != "evaluate":
                plan = plan_of(options, ATTACKS[attack], step.dataset)
                for through in _throughs(options, step.classifiers):
                    for value in plan.grid:
                        keys.add(key_of(settings | plan.settings(value) | {"victim": victim} | through, "")[:4])
            keys.add(key_of(settings, "")[:4])
    asked = {f.key[:4] for f in figures if not f.key.parameter.startswith(("all", "eps<="))}
    assert asked <= keys


def _throughs(options, classifiers) -> list[dict]:
    """What results hold of somebody else than the victim."""
    if options.command == "transfer":
        return [{"through": {"kind": "transfer", "source": c}} for c in classifiers]
    if options.command in ("greybox", "blackbox"):
        return [{"through": {"kind": options.command}}]
    guard = getattr(options, "guard", None)
    return [{"detection": {"guard": guard, "chosen_guard": True}}] if guard else [{}]


def test_a_bottleneck_table_asks_for_the_latent_sizes_and_table_a1_for_three_weights():
    assert {step.dim_z for step in needed(figures_of("Table F.26"))} == {None, 16, 32, 128}
    lambdas = {
        s.command[s.command.index("--lambda") + 1] for s in needed(figures_of("Table A.1")) if "--lambda" in s.command
    }
    assert lambdas == {"0.1", "1", "10"}


def test_a_table_with_columns_of_another_names_the_sources_of_both():
    for table in tables_of("Table A.1", figures_of("Table A.1"), {}):
        assert "the difference. Table F.5, p. 24; Table A.1, p. " in table.caption


def test_hours_grow_with_images_and_steps():
    fgsm, pgd = (needed(figures_of(place))[0] for place in ("Table F.1", "Table F.2"))
    speed = lambda dataset, name: 10.0  # noqa: E731
    assert hours(fgsm, 200, speed) == pytest.approx(2 * hours(fgsm, 100, speed))
    assert hours(fgsm, None, speed) == pytest.approx(100 * hours(fgsm, 100, speed))
    assert images_run(50, "mnist") == 40  # 2019 drops a last partial batch
    assert hours(pgd, 100, speed) > 10 * hours(fgsm, 100, speed)


def test_hours_hold_queries_and_thresholds():
    """64,000 queries a substitute (paper, 4.1); 10,000 training images where weights do not ship."""
    speed = lambda dataset, name: 10.0  # noqa: E731
    steps = needed(figures_of("Table F.17"))
    classifiers = sum(len(s.classifiers) for s in steps)
    assert classifiers == len(SEVEN_NAMES)
    assert sum(hours(s, 100, speed) for s in steps) > classifiers * 64_000 * 10 / 3.6e6
    detect = next(s for s in needed(figures_of("Table F.26")) if s.command[0] == "detect")
    own = dataclasses.replace(detect, weights="somewhere")
    more = hours(own, 100, speed) - hours(detect, 100, speed)
    assert more == pytest.approx(len(detect.classifiers) * 10_000 * 10 / 3.6e6)


# ---- comparing -------------------------------------------------------------------------------------------------------


def figure(value, n=1000, key=("mnist", "GFZ", "pgd", "eps=0.2", "accuracy_percent"), **settings) -> Measured:
    usual = {"dataset": key[0], "attack": key[2], "samples": 10, "targeted": False, "protocol": {"name": "paper"}}
    usual["num_images"] = 10_000
    share = rate(round(value / 100 * n), n) if value is not None else {"low": None, "high": None}
    low, high = (None if share[k] is None else 100 * share[k] for k in ("low", "high"))
    return Measured(Key(*key), value, low, high, n, usual | settings)


@pytest.mark.parametrize(
    ("metric", "attack", "ours", "verdict"),
    [
        ("accuracy_percent", "pgd", 56.0, WITHIN),  # 6 points and 3.2 of sampling
        ("accuracy_percent", "pgd", 60.0, OUTSIDE),
        ("accuracy_percent", "clean", 53.5, WITHIN),  # 1 point and 3.2
        ("accuracy_percent", "clean", 55.0, OUTSIDE),
        ("tp_marginal_percent", "pgd", 62.5, WITHIN),
        ("tp_marginal_percent", "pgd", 65.0, OUTSIDE),
    ],
)
def test_the_tolerance_is_sampling_at_both_n_plus_what_training_may_move(metric, attack, ours, verdict):
    key = ("mnist", "GFZ", attack, "" if attack == "clean" else "eps=0.2", metric)
    assert compare(figure(ours, key=key), Reference(50.0, 10_000, "Table")).verdict == verdict


def test_fewer_images_allow_more():
    few, many = (compare(figure(62.0, n), Reference(50.0, 10_000, "Table")) for n in (50, 2000))
    assert (few.verdict, many.verdict) == (WITHIN, OUTSIDE)
    assert few.tolerance > many.tolerance > 6


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dataset": "mnist5k"}, "mnist5k is not the paper's test set"),
        ({"samples": 1}, "K = 1"),
        ({"targeted": True}, "aimed at a label"),
        ({"options": {"steps": 3}}, "other options"),
        ({"options": {"loss": "margin"}}, "other options than the paper's: loss"),
        (
            {"detection": {"rate": 0.05, "calibration": {"images": 100}}},
            "thresholds or student made from 100 training images, the paper's from all",
        ),
        ({"attack": "cw", "options": {"lr": 7.0}}, "other options than the paper's: lr"),
        ({"attack": "spsa", "options": ATTACKS["spsa"].defaults("corrected")}, "other options"),
        ({"attack": "wbs", "options": ATTACKS["wbs"].defaults("paper"), "evades": {"rate": 0.2}}, "at 20 % false"),
        ({"through": {"kind": "blackbox", "student_images": 500}}, "grown from 500 images, the paper's from 2,000"),
        (
            {"attack": "wbs", "options": ATTACKS["wbs"].defaults("paper"), "batch_size": 1},
            "other options than the paper's: batch_size",
        ),
        ({"known_noise": True}, "known_noise"),
    ],
)
def test_what_was_run_otherwise_than_in_the_paper_is_not_compared(settings, reason):
    found = compare(figure(50.0, **settings), Reference(50.0, 10_000, "Table"))
    assert found.verdict == INCOMPARABLE
    assert reason in found.reason


def test_detection_is_compared_only_where_it_is_counted_as_in_2019():
    key = ("mnist", "GFZ", "pgd", "eps=0.2", "tp_kl_percent")
    ours = figure(50.0, key=key, protocol={"name": "corrected"})
    assert "counts otherwise" in compare(ours, Reference(50.0, 100, "Table")).reason
    nothing = figure(None, 0, key)
    assert "no successful attack" in compare(nothing, Reference(50.0, 100, "Table")).reason


@pytest.mark.parametrize(
    ("eps", "fooled", "comparable"),
    [(0.3, 970, False), (0.3, 994, False), (0.3, 1000, True), (0.2, 980, True), (0.2, 985, False), (0.2, 1000, False)],
)
def test_kl_rates_are_compared_where_the_index_fault_is_whole_in_both_runs_or_in_neither(eps, fooled, comparable):
    """The paper's accuracy is 0.0 at eps 0.3 and 0.7 at 0.2."""
    key = Key("mnist", "DFX", "pgd", f"eps={eps}", "tp_kl_percent")
    found = compare(figure(50.0, fooled, key, num_images=1000), papers_figures()[key])
    assert (found.verdict == INCOMPARABLE) != comparable
    assert ("index fault" in found.reason) != comparable


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (("mnist", "GBZ", "mim", "eps=0.1", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "GBY", "mim", "all eps", "min_linf_mean"), "more than 40 steps"),
        (("mnist", "DBX", "mim", "eps=0.3;dim_z=16", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "DFZ", "transfer_mim", "eps=0.3;from=GBZ", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "GFZ", "greybox_pgd", "eps=0.1", "accuracy_percent"), "student's layers"),
        (("mnist", "GFZ", "pgd", "eps<=0.3", "accuracy_percent"), "Tables 1 and 2"),
        (("mnist", "GFZ", "greybox_pgd", "eps=0.1", "student_accuracy_percent"), "student's layers"),
        (
            ("plane_frog", "GBZ", "fgsm", "eps=0.1", "accuracy_percent"),
            "1,577 images that all its classifiers get right",
        ),
        (("mnist", "GBZ", "pgd", "all eps", "min_linf_median"), "whole steps"),
    ],
)
def test_the_papers_known_traps_are_not_compared(key, reason):
    reference = papers_figures()[Key(*key)]
    assert reason in reference.why_not
    assert compare(figure(reference.value, key=key), reference).verdict == INCOMPARABLE


@pytest.mark.parametrize("name", ["GFZ", "GFY", "DFZ", "DFX", "DBX"])
def test_a_run_of_mim_whose_last_two_budgets_agree_took_40_steps_and_is_compared(name):
    for eps in (0.1, 0.2, 0.3, 0.4, 0.5):
        assert papers_figures()[Key("mnist", name, "mim", f"eps={eps}", "accuracy_percent")].why_not == ""


def test_a_wider_tolerance_comes_with_its_reason(tmp_path, monkeypatch):
    file = tmp_path / "tolerances.csv"
    header = "dataset,classifier,attack,parameter,metric,tolerance,reason"
    file.write_text(f"{header}\nmnist,GF?,pgd,*,accuracy_percent,25,another draw of the noise\n")
    monkeypatch.setattr("reproduction.compare.WIDER", file)
    compare_module._wider.cache_clear()
    found = compare(figure(70.0), Reference(50.0, 10_000, "Table"))
    compare_module._wider.cache_clear()
    assert (found.verdict, found.tolerance, found.reason) == (WITHIN, 25.0, "another draw of the noise")


@pytest.mark.parametrize("row", ["mnist,*,*,*,*,25,", "mnist,*,*,*,*,wide,noise", "mnist,*"])
def test_a_wider_tolerance_without_reason_or_number_is_refused(tmp_path, monkeypatch, row):
    file = tmp_path / "tolerances.csv"
    file.write_text(f"dataset,classifier,attack,parameter,metric,tolerance,reason\n{row}\n")
    monkeypatch.setattr("reproduction.compare.WIDER", file)
    compare_module._wider.cache_clear()
    with pytest.raises(FileError, match=r"tolerances\.csv, line 2: takes dataset"):
        compare(figure(70.0), Reference(50.0, 10_000, "Table"))
    compare_module._wider.cache_clear()


def test_a_mean_norm_stands_on_ten_successes_and_is_as_uncertain_as_they_are_few():
    key = Key("mnist", "GFZ", "cw", "c=0.1", "l2_mean")
    settings = figure(50.0, key=key, attack="cw").settings
    result = lambda n: {  # noqa: E731
        "settings": settings | {"c": 0.1, "seed": 0, "victim": "GFZ", "options": ATTACKS["cw"].defaults("paper")},
        "accuracy": rate(100 - n, 100),
        "perturbation": {"n": n, "l2": {"mean": 0.5, "std": 0.2}},
    }
    one, few, many = (next(f for f in measured([result(n)]) if f.key == key) for n in (1, 9, 100))
    assert (one.low, one.half) == (None, 0.0)
    assert few.half == pytest.approx(2.306 * 0.2 / 8**0.5, rel=1e-3)  # t of 8 degrees of freedom
    assert many.half == pytest.approx(1.984 * 0.2 / 99**0.5, rel=1e-3)
    reference = Reference(0.094, 0, "Table")
    assert [compare(f, reference).verdict for f in (one, few, many)] == [INCOMPARABLE, INCOMPARABLE, OUTSIDE]
    assert "fewer than 10 successes" in compare(few, reference).reason


def test_a_transfer_of_the_papers_stands_on_the_images_that_fooled_their_source():
    transfer = papers_figures()[Key("mnist", "GFZ", "transfer_pgd", "eps=0.3;from=GBZ", "accuracy_percent")]
    assert transfer.n == 6_750  # of 10,000: 32.5 % are left right


def test_a_mean_over_classes_is_as_uncertain_as_its_classes():
    key = ("mnist", "GFZ", "pgd", "eps=0.2", "tp_kl_percent")
    sure, unsure = (
        dataclasses.replace(figure(70.0, 190, key), low=70.0 - half, high=70.0 + half) for half in (5.0, 25.0)
    )
    reference = Reference(50.0, 5_000, "Table")
    assert compare(sure, reference).verdict == OUTSIDE
    assert compare(unsure, reference).verdict == WITHIN


# ---- from results ----------------------------------------------------------------------------------------------------

GRID = ("0.1", "0.2", "0.3", "0.4", "0.5")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """FGSM on two classifiers over the paper's grid, detection, and transfer, on embedded digits."""
    folder = tmp_path_factory.mktemp("results")
    common = ["--dataset", "mnist5k", "--num-images", 20, "--protocol", "paper", "--output", folder]
    assert run("detect", "--attack", "fgsm", "--classifiers", "DFX", "DBX", "--eps", *GRID, *common) == 0
    both = ("--attack", "fgsm", "--classifiers", "DFX", "DBX", "--eps", "0.1", *common)
    assert run("transfer", *both) == 0
    assert run("detect", "--guard", "DBX", *both) == 0
    return folder


@pytest.fixture
def as_official(results, tmp_path):
    """The same results as if they stood on the official test set: what a comparison needs is their form."""
    folder = tmp_path / "official"
    shutil.copytree(results / "mnist5k", folder / "mnist")
    for file in folder.rglob("*-*.json"):
        content = json.loads(file.read_text())
        content["settings"]["dataset"] = "mnist"
        file.write_text(json.dumps(content))
    return folder


def test_results_have_the_keys_and_values_of_the_papers_figures(results):
    stored = ResultsStore(results).all()
    found = {f.key: f for f in measured(stored)}
    for result in stored:
        s = result["settings"]
        if s["attack"] == "fgsm" and "detection" not in s and "through" not in s:
            one = found["mnist", s["victim"], "fgsm", f"eps={s['eps']:g}", "accuracy_percent"]
            assert (one.value, one.n) == (100 * result["accuracy"]["rate"], 20)
        if "detection" in s and not s["detection"]["chosen_guard"]:
            one = found["mnist", s["victim"], "fgsm", f"eps={s['eps']:g}", "tp_kl_percent"]
            assert one.value == pytest.approx(100 * result["detectors"]["kl"]["tp_class_averaged"])
            assert one.n == result["detectors"]["kl"]["tp"]["n"]
    for name in ("DFX", "DBX"):
        wrong = {
            r["settings"]["eps"]: np.array(r["predictions"])
            for r in stored
            if r["settings"]["attack"] == "fgsm" and r["settings"]["victim"] == name and "predictions" in r
            and "through" not in r["settings"]
        }  # fmt: skip
        y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
        smallest = [min([e for e, p in wrong.items() if p[i] != y[i]], default=0.6) for i in range(20)]
        assert found["mnist", name, "fgsm", "all eps", "min_linf_mean"].value == pytest.approx(np.mean(smallest))


def test_a_transfer_counts_the_images_that_fooled_their_source(results):
    stored = ResultsStore(results).all()
    y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
    own, moved = (
        next(
            r for r in stored if "predictions" in r and r["settings"].get("eps") == 0.1
            and r["settings"]["victim"] == name and r["settings"].get("through", {}).get("source") == source
        )
        for name, source in (("DFX", None), ("DBX", "DFX"))
    )  # fmt: skip
    fooled = np.array(own["predictions"]) != y
    expected = np.mean((np.array(moved["predictions"]) == y)[fooled])
    found = {f.key: f for f in measured(stored)}[
        "mnist", "DBX", "transfer_fgsm", "eps=0.1;from=DFX", "accuracy_percent"
    ]
    assert found.value == pytest.approx(100 * expected)
    assert found.n == fooled.sum() < 20


def test_what_a_guard_notices_of_images_made_against_another_is_of_the_transfer(results):
    stored = ResultsStore(results).all()
    for source in ("DFX", "DBX"):
        (one,) = (
            r for r in stored if r["settings"]["victim"] == source
            and r["settings"].get("detection", {}).get("chosen_guard")
        )  # fmt: skip
        found = {f.key: f for f in measured(stored)}[
            "mnist", "DBX", "transfer_fgsm", f"eps=0.1;from={source}", "tp_kl_percent"
        ]
        assert found.value == pytest.approx(100 * one["detectors"]["kl"]["tp_class_averaged"])
        assert found.n == one["successes"]["count"]


def test_figures_of_another_guards_or_sources_weights_do_not_count(as_official):
    def shown():
        return {k.parts["from"] for k in best(figures_that_count(as_official)) if k.attack == "transfer_fgsm"}

    assert shown() == {"DFX", "DBX"}
    for file in as_official.rglob("*_guard_*.json"):
        content = json.loads(file.read_text())
        content["settings"]["detection"]["guard_settings"]["weights_sha256"] = "of somebody else"
        file.write_text(json.dumps(content))
    for file in as_official.rglob("transfer_*.json"):
        content = json.loads(file.read_text())
        content["settings"]["through"]["settings"]["weights_sha256"] = "of somebody else"
        file.write_text(json.dumps(content))
    assert shown() == set()


@pytest.mark.parametrize("attack", ["checks", "ood", "noise", "onepixel"])
def test_results_that_the_paper_has_none_of_have_no_key(attack):
    assert key_of({"attack": attack, "victim": "GFZ", "dataset": "mnist"}, "accuracy_percent") is None


def test_weights_that_do_not_count_are_not_shown(as_official, tmp_path, capsys):
    for file in as_official.rglob("*-*.json"):
        content = json.loads(file.read_text())
        content["settings"]["weights_sha256"] = "of somebody else"
        file.write_text(json.dumps(content))
    assert run("table", "F.1", "--classifiers", "DFX", "--output", as_official) == 0
    assert "protocol paper" not in capsys.readouterr().out


def test_a_cw_attack_that_never_succeeds_has_been_measured():
    """So that `table` does not ask for it again and again."""
    settings = {"dataset": "mnist", "victim": "GFZ", "attack": "cw", "c": 0.1, "num_images": 20, "seed": 0}
    settings |= {"protocol": {"name": "paper"}, "samples": 10}
    norms = {"accuracy": rate(20, 20), "perturbation": {"n": 0}}
    found = {f.key.metric: f for f in measured([{"settings": settings} | norms])}
    assert (found["l2_mean"].value, found["accuracy_percent"].value) == (None, 100.0)


@pytest.mark.parametrize("victim", ["my_zoo", "a_z", "b_z1x"])
def test_a_users_model_may_have_any_name(victim, as_official):
    for file in as_official.rglob("fgsm_*.json"):
        content = json.loads(file.read_text())
        content["settings"]["victim"] = victim
        file.write_text(json.dumps(content))
    assert ("fgsm", "accuracy_percent") not in {(k.attack, k.metric) for k in best(figures_that_count(as_official))}


def test_accuracy_up_to_a_bound_counts_images_that_no_eps_fools(results):
    stored = ResultsStore(results).all()
    y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
    right = [
        np.array(r["predictions"]) == y for r in stored
        if r["settings"]["victim"] == "DFX" and r["settings"]["attack"] == "fgsm" and r["settings"]["eps"] <= 0.3
        and "predictions" in r and "through" not in r["settings"]
    ]  # fmt: skip
    assert len(right) == 3
    found = {f.key: f for f in measured(stored)}["mnist", "DFX", "fgsm", "eps<=0.3", "accuracy_percent"]
    assert found.value == pytest.approx(100 * np.mean(np.all(right, axis=0)))


def test_a_table_shows_ours_the_papers_and_the_difference(as_official, capsys):
    assert run("table", "F.1", "--classifiers", "DFX", "DBX", "--output", as_official) == 0
    text = capsys.readouterr().out
    ours = {f.key: f for f in measured(ResultsStore(as_official).all())}[
        "mnist", "DFX", "fgsm", "eps=0.1", "accuracy_percent"
    ]
    assert f"{ours.value:.1f} +-{ours.half:.1f}" in text
    assert f"70.1 ({ours.value - 70.1:+.1f})" in text
    assert max(map(len, text.splitlines())) <= 100
    assert all(name in text for name in ("DFX", "DBX"))
    written = (as_official / "paper" / "table_f.1.md").read_text()
    assert f"{ours.value:.1f} +-{ours.half:.1f} / 70.1 ({ours.value - 70.1:+.1f})" in written
    assert "20 images, protocol paper" in written
    assert "noticed by KL detection" in written


@pytest.mark.parametrize("place", [p for p in places() if p.startswith("Table")])
def test_a_table_of_five_figures_a_row_is_at_most_100_columns_wide(place):
    shown = [f.key for f in figures_of(place) if f.key.metric.endswith("percent") and not why_not(f)]
    ours = {key: figure(55.5, key=key, attack="fgsm") for key in shown}
    for table in tables_of(place, figures_of(place), ours):
        if len(table.heads) > 6:
            continue
        console = Console(width=300, record=True, file=io.StringIO())
        console.print(dataclasses.replace(in_lines(table), caption="", title="").rich())
        assert max(map(len, console.export_text().splitlines())) <= 100


def test_what_is_missing_is_listed_with_hours_and_not_run_unasked(tmp_path, capsys):
    assert run("table", "F.2", "--classifiers", "DFX", "--output", tmp_path) == 0
    out, error = capsys.readouterr()
    assert re.search(r"-\s+│", out)
    assert "47.6" in out
    command = "./run_experiments.sh detect --attack pgd --dataset mnist --classifiers DFX --eps 0.1 0.2 0.3 0.4 0.5"
    assert f"{command} --protocol paper --num-images 100" in error
    assert re.search(r"\d (min|h)\s+in all", error)
    assert "0 of 10 figures are there\n" in error
    assert f"--num-images 100 --output {tmp_path}" in error
    assert "--yes" in error
    assert not (tmp_path / "mnist").exists()


def test_latent_sizes_without_weights_are_trained_first(tmp_path, capsys):
    assert run("table", "A.2", "--dim-z", "16", "--classifiers", "DBX", "--epochs", 3, "--output", tmp_path) == 0
    error = capsys.readouterr().err
    train = "train --dataset mnist --epochs 3 --learning-rate 0.0001 --kl-warmup 1 --classifiers DBX --dim-z 16"
    evaluate = f"evaluate --dataset mnist --classifiers DBX --dim-z 16 --weights {tmp_path}/training/mnist"
    assert 0 <= error.index(train) < error.index(evaluate)


def test_figures_of_weights_trained_for_fewer_epochs_count_where_those_were_asked_for(as_official, monkeypatch):
    sha256 = {r["settings"]["victim"]: r["settings"]["weights_sha256"] for r in ResultsStore(as_official).all()}

    def card(dataset, name, folder, dim_z):
        if folder is None:
            raise FileError("none ship")
        return {"sha256": sha256.get(name), "training": {"epochs": 3}}

    monkeypatch.setattr("reproduction.gathered.usable_card", card)
    assert figures_that_count(as_official) == []
    assert figures_that_count(as_official, epochs=4) == []
    assert len(figures_that_count(as_official, epochs=3)) > 20
    assert len(figures_that_count(as_official, weights=as_official)) > 20  # the user's choice
    note = tables_of("Table F.1", figures_of("Table F.1"), {}, "Weights that do not ship had 3 epochs.")[0].caption
    assert note.endswith("Weights that do not ship had 3 epochs.")


def test_the_latent_size_of_a_data_set_is_one_of_the_bottleneck_tables_columns(tmp_path, capsys):
    assert run("table", "A.2", "--dim-z", "64", "--classifiers", "GBZ", "--output", tmp_path) == 0
    assert "97.5" in capsys.readouterr().out  # GBZ's clean accuracy, 97.45


def test_what_the_port_cannot_measure_says_why(tmp_path, capsys):
    assert run("table", "F.23", "--output", tmp_path) == 0
    assert "110 figures (the fusion models on VGG16 features" in capsys.readouterr().err


@pytest.mark.slow
def test_a_table_runs_what_is_missing_when_told_to(mnist_dir, tmp_path, capsys):
    options = ["--classifiers", "DFX", "--num-images", 10, "--data-dir", mnist_dir, "--output", tmp_path, "--yes"]
    assert run("table", "F.1", *options) == 0
    assert "10 images, protocol paper" in capsys.readouterr().out
    made = sorted(p.name for p in (tmp_path / "mnist" / "DFX").glob("*.json"))
    assert sum(name.startswith("fgsm_eps") for name in made) == sum(name.startswith("detect_") for name in made) == 5
    assert run("table", "F.1", *options) == 0  # nothing is missing now
    assert "missing" not in capsys.readouterr().err


def test_a_figure_draws_what_is_there_and_says_how_to_make_the_rest(as_official, tmp_path, capsys):
    assert run("figure", "3", "--output", as_official) == 0
    assert (as_official / "paper" / "figure_3.png").read_bytes()[:4] == b"\x89PNG"
    assert run("figure", "B.1", "--output", as_official) == 0
    assert f"table F.3 --yes --output {as_official}" in capsys.readouterr().err
    assert run("figure", "A.4", "--output", as_official) == 0
    listed = capsys.readouterr().err
    assert listed.count("run_experiments.sh transfer --attack") == 2  # PGD, MIM
    assert listed.count("--guard ") == 10  # of the five with a density
    assert not (as_official / "paper" / "figure_b.1.png").exists()


def test_the_figure_of_a_transfer_has_accuracy_and_detection_ours_and_the_papers(tmp_path):
    ours = {p.key: figure(p.value, key=p.key) for p in figures_of("Figure A.4")}
    file = draw("Figure A.4", ours, list(SEVEN_NAMES), tmp_path / "figure.png")
    height, width, _ = plt.imread(file).shape
    assert width > 1.5 * height  # two attacks, ours and the paper's beside each other, two measures
    assert draw("Figure A.4", {}, list(SEVEN_NAMES), tmp_path / "none.png") is None


def test_a_regression_lists_its_figures_in_one_order_whatever_the_age_of_the_files(results, tmp_path):
    shutil.copytree(results / "mnist5k", tmp_path / "mnist5k")
    before = [c.ours.key for c in comparisons_of([tmp_path], None)]
    for k, file in enumerate(sorted(tmp_path.rglob("*.json"), reverse=True)):
        os.utime(file, (k, k))
    assert [c.ours.key for c in comparisons_of([tmp_path], None)] == before
    assert [k.attack for k in before] == sorted(k.attack for k in before)


def test_a_regression_counts_a_figure_once_on_the_most_images_and_a_folder_once(as_official):
    (clean,) = (as_official / "mnist" / "DFX").glob("clean-*.json")
    for changed in ({"num_images": 10}, {"seed": 1}):
        content = json.loads(clean.read_text())
        content["settings"] |= changed
        clean.with_name(f"clean-{next(iter(changed))}.json").write_text(json.dumps(content))
    found = comparisons_of([as_official, as_official / "mnist" / ".."], None)
    runs = [c.ours.settings for c in found if c.ours.key[1:3] == ("DFX", "clean")]
    assert sorted((s["num_images"], s["seed"]) for s in runs) == [(20, 0), (20, 1)]


def test_a_regression_against_itself_is_within(results, tmp_path, capsys):
    assert run("regression", "--results", results, "--against", results, "--output", tmp_path) == 0
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    assert suite.tag == "testsuite"
    assert int(suite.get("tests")) == len(suite) > 20
    assert suite.get("failures") == "0"
    page = (tmp_path / "regression.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")  # one file, nothing to fetch


def test_a_figure_that_moved_is_outside_and_named_everywhere(results, tmp_path, capsys):
    changed = tmp_path / "changed"
    shutil.copytree(results, changed)
    (file,) = (changed / "mnist5k" / "DFX").glob("clean-*.json")
    content = json.loads(file.read_text())
    content["accuracy"] = rate(5, 20)
    file.write_text(json.dumps(content))
    assert run("regression", "--results", changed, "--against", results, "--output", tmp_path) == 1
    assert "mnist5k DFX clean accuracy" in capsys.readouterr().out
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert "tolerance" in failed.find("failure").get("message")
    assert "class='outside'" in (tmp_path / "regression.html").read_text()
    written = (tmp_path / "regression.md").read_text()
    assert "**Outside**" in written
    assert f", {settings_hash(content['settings'])} |" in written.partition("**Every figure outside**")[2]


def test_an_unusual_attack_has_a_name_of_its_own_and_is_not_drawn_beside_the_papers(results, tmp_path, capsys):
    changed = tmp_path / "changed"
    shutil.copytree(results, changed)
    for file in (changed / "mnist5k").rglob("fgsm_eps*.json"):
        content = json.loads(file.read_text())
        content["settings"] |= {"targeted": True, "options": {"loss": "margin"}}
        file.write_text(json.dumps(content))
    assert run("regression", "--results", changed, "--against", changed, "--output", tmp_path) == 0
    written = (tmp_path / "regression.md").read_text()
    assert "| mnist5k DFX fgsm eps=0.1 targeted loss=margin accuracy |" in written
    assert (tmp_path / "regression.html").read_text().count("data:image/png") == 1  # ours against theirs alone


def test_what_only_the_earlier_results_have_is_said(results, tmp_path, capsys):
    (clean,) = (results / "mnist5k" / "DFX").glob("clean-*.json")
    fewer = tmp_path / "fewer" / clean.relative_to(results)
    fewer.parent.mkdir(parents=True)
    shutil.copy(clean, fewer)
    assert run("regression", "--results", tmp_path / "fewer", "--against", results, "--output", tmp_path) == 0
    assert "Only in the earlier results" in capsys.readouterr().out
    assert "| mnist5k fgsm accuracy | 12 |" in (tmp_path / "regression.md").read_text()


def test_why_a_figure_is_not_comparable_stands_beside_it_in_the_report(results, tmp_path):
    run("regression", "--results", results, "--output", tmp_path)
    each = (tmp_path / "regression.md").read_text().partition("**Every figure not comparable**")[2]
    rows = [line for line in each.splitlines() if line.startswith("| mnist5k")]
    assert len(rows) > 20
    assert all(row.split(" | ")[-1].strip(" |") for row in rows)
    assert "mnist5k is not the paper's test set |" in rows[0]


def test_other_images_than_the_papers_are_all_not_comparable(results, tmp_path, capsys):
    assert run("regression", "--results", results, "--output", tmp_path) == 2
    assert "nothing was comparable" in capsys.readouterr().err
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    assert suite.get("skipped") == suite.get("tests")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "F.99"], "the paper has no Table F.99; it has 1, 2, 3, A.1"),
        (["figure", "99"], "not one of those that are drawn here: 3, 4"),
        (["table", "F.1", "--dim-z", "7"], "no figure of what was chosen"),
        (["regression", "--results", "/nowhere"], "no results in /nowhere"),
        (["regression", "--against", "README.md"], "takes a results folder"),
        (["regression", "--against", "/nowhere"], "/nowhere, which does not exist"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(arguments, message, tmp_path, capsys):
    assert run(*arguments, "--output", tmp_path) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_tables_keep_to_seven_columns_and_show_every_figure_once():
    for place in places():
        figures = figures_of(place)
        shown = tables_of(place, figures, {})
        cells = [cell for table in shown for row in table.rows for cell in row[1:] if cell]
        assert len(cells) == len({f.key for f in figures})
        assert all(len(table.heads) <= 8 for table in shown)
        assert {f.key.metric for f in figures} <= METRICS.keys()


@pytest.mark.parametrize(
    ("place", "why"),
    [("Table F.6", "only the 1,577 images"), ("Table F.3", "MIM took more than 40 steps"), ("Table F.1", "")],
)
def test_a_table_says_what_of_it_is_not_like_for_like(place, why):
    captions = [t.caption for t in tables_of(place, figures_of(place), {})]
    assert all(why in c for c in captions)
    assert why or not any("not like for like" in c for c in captions)


def test_a_cell_outside_and_one_not_like_for_like_are_marked_and_the_marks_explained():
    keys = [f.key for f in figures_of("Table F.2") if f.key.classifier == "DFX" and f.key.metric == "accuracy_percent"]
    ours = {key: figure(value, key=key) for key, value in zip(keys, (47.0, 30.0, 0.0), strict=False)}
    ours[keys[2]].settings["targeted"] = True
    table, *_ = tables_of("Table F.2", figures_of("Table F.2"), ours)
    within, outside, other, *_ = next(cells for name, *cells in table.rows if name == "DFX")
    assert (within[-1], outside[-1], other[-1]) == (")", "!", "*")
    assert "* not like for like: aimed at a label." in table.caption
    assert "! outside the tolerance." in table.caption


def test_comparisons_are_plain_data():
    found = compare(figure(50.0), Reference(50.0, 10_000, "Table"))
    assert dataclasses.asdict(found)["verdict"] == WITHIN
