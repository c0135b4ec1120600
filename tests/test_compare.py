"""A measured figure against its reference: tolerance, verdict, and what is not compared."""

import dataclasses

import pytest

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.reference.published import Key
from deepbayes.reproduction.compare import INCOMPARABLE, OUTSIDE, WITHIN, Reference, compare, papers_figures
from deepbayes.reproduction.estimates import Estimate, estimates_of


def figure(value, n=1000, key=("mnist", "GFZ", "pgd", "eps=0.2", "accuracy_percent"), **settings) -> Estimate:
    usual = {
        "dataset": key[0],
        "attack": key[2].removeprefix("transfer_"),
        "samples": 10,
        "targeted": False,
        "protocol": {"name": "paper"},
    }
    usual["num_images"] = 10_000
    share = rate(round(value / 100 * n), n) if value is not None else {"low": None, "high": None}
    low, high = (None if share[k] is None else 100 * share[k] for k in ("low", "high"))
    return Estimate(Key(*key), value, low, high, n, usual | settings)


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
            "thresholds or surrogate made from 100 training images, the paper's from all",
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
    assert "counts differently" in compare(ours, Reference(50.0, 100, "Table")).reason
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


def test_what_is_a_matter_of_chance_is_not_held_against_an_earlier_run_either():
    kl = figure(50.4, 290, ("mnist", "DFX", "pgd", "eps=0.3", "tp_kl_percent"), num_images=300)
    assert "index fault" in compare(kl, Reference(77.1, 994, "earlier", images=1000), False).reason
    corrected = figure(50.4, 290, kl.key, num_images=300, protocol={"name": "corrected"})
    assert compare(corrected, Reference(52.0, 994, "earlier", images=1000), False).verdict == WITHIN
    median = figure(0.4, 1000, ("mnist", "GBY", "fgsm", "all eps", "min_linf_median"))
    assert "whole steps" in compare(median, Reference(0.3, 1000, "earlier"), False).reason
    l2 = figure(2.8, 15, ("mnist", "DFX", "cw", "c=10", "l2_mean"))
    assert "fewer than 10" in compare(l2, Reference(2.15, 1, "earlier"), False).reason


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (("mnist", "GBZ", "mim", "eps=0.1", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "GBY", "mim", "all eps", "min_linf_mean"), "more than 40 steps"),
        (("mnist", "DBX", "mim", "eps=0.3;dim_z=16", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "DFZ", "transfer_mim", "eps=0.3;from=GBZ", "accuracy_percent"), "more than 40 steps"),
        (("mnist", "GFZ", "greybox_pgd", "eps=0.1", "accuracy_percent"), "surrogate's layers"),
        (("mnist", "GFZ", "pgd", "eps<=0.3", "accuracy_percent"), "Tables 1 and 2"),
        (("mnist", "GFZ", "greybox_pgd", "eps=0.1", "student_accuracy_percent"), "surrogate's layers"),
        (
            ("plane_frog", "GBZ", "fgsm", "eps=0.1", "accuracy_percent"),
            "1,577 images that all its classifiers get right",
        ),
        (("mnist", "GBZ", "pgd", "all eps", "min_linf_median"), "whole steps"),
    ],
)
def test_what_is_not_like_for_like_in_the_paper_is_not_compared(key, reason):
    reference = papers_figures()[Key(*key)]
    assert reason in reference.why_not
    assert compare(figure(reference.value, key=key), reference).verdict == INCOMPARABLE


@pytest.mark.parametrize("name", ["GFZ", "GFY", "DFZ", "DFX", "DBX"])
def test_a_run_of_mim_whose_last_two_budgets_agree_took_40_steps_and_is_compared(name):
    for eps in (0.1, 0.2, 0.3, 0.4, 0.5):
        assert papers_figures()[Key("mnist", name, "mim", f"eps={eps}", "accuracy_percent")].why_not == ""


def test_a_mean_norm_stands_on_ten_successes_and_is_as_uncertain_as_they_are_few():
    key = Key("mnist", "GFZ", "cw", "c=0.1", "l2_mean")
    settings = figure(50.0, key=key, attack="cw").settings
    result = lambda n: {  # noqa: E731
        "settings": settings | {"c": 0.1, "seed": 0, "victim": "GFZ", "options": ATTACKS["cw"].defaults("paper")},
        "accuracy": rate(100 - n, 100),
        "perturbation": {"n": n, "l2": {"mean": 0.5, "std": 0.2}},
    }
    one, few, many = (next(f for f in estimates_of([result(n)]) if f.key == key) for n in (1, 9, 100))
    assert (one.low, one.half) == (None, 0.0)
    assert few.half == pytest.approx(2.306 * 0.2 / 8**0.5, rel=1e-3)  # t of 8 degrees of freedom
    assert many.half == pytest.approx(1.984 * 0.2 / 99**0.5, rel=1e-3)
    reference = Reference(0.094, 0, "Table")
    assert [compare(f, reference).verdict for f in (one, few, many)] == [INCOMPARABLE, INCOMPARABLE, OUTSIDE]
    assert "fewer than 10 successes" in compare(few, reference).reason


def test_a_rate_over_classes_is_no_more_certain_than_over_its_images():
    key = ("mnist", "GFZ", "cw", "c=1", "tp_logit_percent")
    reference, usual = Reference(39.2, 2_330, "Table"), ATTACKS["cw"].defaults("paper")
    narrow = lambda n: dataclasses.replace(figure(70.8, n, key, options=usual), low=65.0, high=75.0)  # noqa: E731
    assert compare(narrow(12), reference).tolerance > 10 + 20
    assert compare(narrow(1200), reference).tolerance < 10 + 6
    assert "fewer than 10" in compare(narrow(9), reference).reason


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


def test_comparisons_are_plain_data():
    found = compare(figure(50.0), Reference(50.0, 10_000, "Table"))
    assert dataclasses.asdict(found)["verdict"] == WITHIN
