import json

import numpy as np
import pytest
from deepbayes.experiments.measurements.batches import batches, run
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.store.result_shape import faults
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.reference.published import paper_accuracy
from hypothesis import given
from hypothesis import strategies as st

SETTINGS = {"attack": "fgsm", "victim": "GBZ", "dataset": "mnist5k", "eps": 0.1, "targeted": False, "seed": 0}
SETTINGS |= {"num_images": 3, "protocol": {"name": "paper"}}
CONTENT = {"n": 3, "accuracy": rate(2, 3), "predictions": [1, 2, 3], "success_right_before": rate(1, 3)}
CONTENT |= {"fresh_draws": {"draws": 20, "survived": rate(1, 1)}}


def test_a_result_is_found_by_its_settings_only(tmp_path):
    store = ResultsStore(tmp_path)
    assert store.read(SETTINGS) is None
    store.write(SETTINGS, CONTENT)
    assert store.read(SETTINGS)["n"] == 3
    assert store.read(SETTINGS | {"seed": 1}) is None


def test_file_names_say_attack_and_budget(tmp_path):
    store = ResultsStore(tmp_path)
    assert store.file(SETTINGS).relative_to(tmp_path).as_posix().startswith("mnist5k/GBZ/fgsm_eps0.10-")
    assert "fgsm_eps0.005-" in store.file(SETTINGS | {"eps": 0.005}).name
    assert "fgsm_targeted_eps0.10-" in store.file(SETTINGS | {"targeted": True}).name


@pytest.mark.parametrize("damage", ["", '{"settings": ', "[1]", '{"settings": {}}', json.dumps({"settings": SETTINGS})])
def test_a_damaged_result_is_reported_and_counts_as_none(tmp_path, capsys, damage):
    store = ResultsStore(tmp_path)
    store.write(SETTINGS, CONTENT)
    store.file(SETTINGS).write_text(damage)
    assert store.read(SETTINGS) is None
    assert "computing it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"victim": None}, "victim"),
        ({"dataset": "svhn"}, "dataset"),
        ({"dataset": ["mnist"]}, "dataset"),
        ({"protocol": "paper"}, "protocol"),
        ({"protocol": {"name": "mine"}}, "protocol"),
        ({"eps": None}, "eps"),
        ({"seed": "0"}, "seed"),
        ({"eps": True}, "settings.eps"),
        ({"attack": ["pgd"]}, "settings.attack"),
        ({"attack": "mine"}, "unknown attack mine"),
        ({"detection": {}}, "detectors"),
        (None, "not a result"),
    ],
)
def test_a_foreign_file_among_results_is_reported_and_left_out(tmp_path, capsys, change, wrong):
    store = ResultsStore(tmp_path)
    store.write(SETTINGS, CONTENT)
    foreign = tmp_path / "mnist5k" / "GBZ" / "run-1.json"
    foreign.write_text(json.dumps({"settings": change and SETTINGS | change} | CONTENT))
    assert [r["settings"] for r in store.all()] == [SETTINGS]
    reported = capsys.readouterr().err
    assert "run-1.json" in reported
    assert wrong in reported
    assert "left out" in reported


@pytest.mark.parametrize(
    ("attack", "change", "wrong"),
    [
        ("fgsm", {"accuracy": {}}, "accuracy.count"),
        ("fgsm", {"accuracy": {k: v for k, v in rate(2, 3).items() if k != "low"}}, "accuracy.low"),
        ("fgsm", {"predictions": [1]}, "predictions"),
        ("clean", {"labels": [1, 2]}, "labels"),
        ("cw", {"perturbation": {"n": 3}}, "perturbation.l2"),
        ("cw", {"perturbation": None}, "perturbation"),
        ("detect", {"detectors": {"kl": {"fp": rate(0, 3), "tp": rate(1, 3)}}}, "detectors.kl.tp_class_averaged"),
        ("detect", {"detectors": {"mine": {}}}, "unknown detector mine"),
    ],
)
def test_what_a_result_lacks_is_said(attack, change, wrong):
    result = CONTENT | {"labels": [1, 2, 4]}
    settings = {k: v for k, v in SETTINGS.items() if k != "eps"}
    settings["attack"] = "fgsm" if attack == "detect" else attack
    settings |= {"clean": {}, "cw": {"c": 1.0}}.get(attack, {"eps": 0.1})
    if attack == "cw":
        result["perturbation"] = {"n": 0}
    if attack == "detect":
        calibration = {"images": 5}
        settings["detection"] = {"rate": 0.05, "calibration": calibration, "guard": "GBZ", "guard_settings": {}}
        result["detectors"] = {"kl": {"fp": rate(0, 3), "tp": rate(1, 3), "tp_class_averaged": None}}
    assert faults({"settings": settings} | result) == []
    assert faults({"settings": settings} | result | {"fresh_draws": None}) == []  # of a model without samples
    assert wrong in faults({"settings": settings} | result | change)


def test_a_write_that_fails_leaves_the_earlier_result(tmp_path):
    store = ResultsStore(tmp_path)
    store.write(SETTINGS, CONTENT)
    with pytest.raises(TypeError):
        store.write(SETTINGS, {"n": object()})
    assert store.read(SETTINGS)["n"] == 3
    assert [f.suffix for f in store.file(SETTINGS).parent.iterdir()] == [".json"]


def test_every_result_carries_versions_device_and_caveat(tmp_path):
    result = ResultsStore(tmp_path).write(SETTINGS, {})
    assert result["versions"]["tensorflow"]
    assert "CPU" in result["device"] or "GPU" in result["device"]
    assert "mnist5k is 5,000 digits" in result["note"]
    assert json.loads(ResultsStore(tmp_path).file(SETTINGS).read_text()) == result


def test_wilson_intervals():
    """Newcombe (1998), table I: 81 of 263 gives .2553 to .3662; 0 of 20 gives 0 to .1611."""
    share = rate(81, 263)
    assert (round(share["low"], 4), round(share["high"], 4)) == (0.2553, 0.3662)
    assert round(rate(0, 20)["high"], 4) == 0.1611
    assert percent(rate(0, 0)) == "n/a"


@given(st.integers(1, 30), st.integers(1, 10))
def test_batches_are_equal_and_lose_nothing(n, size):
    rows = np.arange(n)
    assert all(len(batch[0]) == size for _, batch in batches((rows,), size))
    advanced = []
    np.testing.assert_array_equal(run(lambda a: a * 2, (rows,), size, advanced.append), rows * 2)
    assert sum(advanced) == n


def test_published_numbers_of_table_f1():
    assert paper_accuracy("mnist", "GBZ", "fgsm", "eps=0.3") == 62.0
    assert paper_accuracy("mnist5k", "GFZ", "fgsm", "eps=0.1") == 94.2
    assert paper_accuracy("mnist", "GBZ", "clean") == 97.45
    assert paper_accuracy("plane_frog", "GBZ", "fgsm", "eps=0.3") is None
