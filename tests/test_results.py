import json
import math
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from conftest import ROOT, put
from deepbayes.experiments.measurements.batches import batches, run
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.store.names import LONGEST, safe_stem, visible
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.result import (
    AttackResult,
    ChecksResult,
    CleanResult,
    DetectionResult,
    FreshDraws,
    Mean,
    OutOfDistributionResult,
    Result,
)
from deepbayes.experiments.store.result_shape import faults
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.files import FileError, write_arrays
from deepbayes.reference.published import paper_accuracy

SETTINGS = {"attack": "fgsm", "victim": "GBZ", "dataset": "mnist5k", "eps": 0.1, "targeted": False, "seed": 0}
SETTINGS |= {"num_images": 3, "protocol": {"name": "paper"}}
CONTENT = {"n": 3, "accuracy": rate(2, 3), "predictions": [1, 2, 3], "success_right_before": rate(1, 3)}
CONTENT |= {"fresh_draws": {"draws": 20, "survived": rate(1, 1)}, "unmoved": rate(0, 3)}
CONTENT |= {"seconds": {"attack": 2.0, "evaluation": 0.5}}

REFERENCE = ROOT / "results" / "reference"
LOGITS = np.eye(10, dtype=np.float32)[[1, 2, 3]]


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
        ({"dataset": "../svhn"}, "unknown dataset ../svhn"),
        ({"dataset": ["mnist"]}, "dataset"),
        ({"protocol": "paper"}, "protocol"),
        ({"protocol": {"name": "mine"}}, "protocol"),
        ({"eps": None}, "eps"),
        ({"seed": "0"}, "seed"),
        ({"eps": True}, "settings.eps"),
        ({"attack": ["pgd"]}, "settings.attack"),
        ({"attack": "mine"}, "unknown attack mine"),
        ({"detection": {}}, "settings.detection.calibration"),
        ({"options": {"loss": ["a"]}}, "settings.options.loss"),
        ({"samples": "10"}, "settings.samples"),
        ({"through": {"kind": "transfer"}}, "settings.through.source"),
        ({"eps": float("nan")}, "settings.eps is nan"),
        ({"num_images": 0}, "settings.num_images"),
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
        rates = {"fp": rate(0, 3), "tp": rate(1, 3), "unnoticed_errors": rate(0, 3)}
        roc = {"auroc": None, "true_rate_at": {"0.05": None, "0.01": None}}
        result |= {"union": rates, "detectors": {"kl": rates | {"tp_class_averaged": None} | roc}}
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
    result = ResultsStore(tmp_path, "2 GPU (Some)").write(SETTINGS, CONTENT)
    assert result["versions"]["tensorflow"]
    assert result["device"] == "2 GPU (Some)"
    assert "mnist5k is 5,000 digits" in result.note
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


# ---- what a result says ----------------------------------------------------------------------------------------------


def test_every_committed_result_is_read_and_given_back_to_the_letter():
    files = sorted(REFERENCE.glob("*/*/*.json"))
    kinds = set()
    for file in files:
        result = Result.from_json(json.loads(file.read_text()))
        assert result.to_json() == json.loads(file.read_text())
        assert Result.from_json(result.to_json()) == result
        assert result.paper_classifier == file.parent.name
        kinds.add(type(result))
    assert kinds == {CleanResult, AttackResult, DetectionResult}


def test_a_result_speaks_the_fields_words():
    detail = {"success_all_images": rate(1, 3), "perturbation": {"n": 1, "l2": {"mean": 1.5, "std": 0.0}}}
    student = {"accuracy": rate(1, 3), "queries": 30}
    attack = Result.from_json({"settings": SETTINGS} | CONTENT | detail | {"student": student})
    assert isinstance(attack, AttackResult)
    assert (attack.dataset, attack.classifier, attack.attack, attack.value) == ("mnist5k", "GBZ", "fgsm", 0.1)
    assert (attack.protocol, attack.seed, attack.num_images, attack.samples) == ("paper", 0, 3, None)
    assert attack.accuracy == Rate.of(2, 3)
    assert attack.fresh_draws == FreshDraws(20, Rate.of(1, 1))
    assert attack.perturbation.norms == {"l2": Mean(1.5, 0.0)}
    assert attack.student == {"accuracy": Rate.of(1, 3), "queries": 30}
    assert (attack.seconds, attack.labels, attack.metrics) == (2.5, None, {"success_all_images": Rate.of(1, 3)})
    assert attack.paper_classifier is None  # K and likelihood are what makes it the paper's
    clean = {"attack": "clean", "victim": "GBZ", "samples": 10, "likelihood": "l2"}
    bound = {"bound": {"mean": -1.0, "std": 2.0, "n": 3}, "elbo": None}
    result = Result.from_json({"settings": {k: SETTINGS[k] for k in SETTINGS if k != "eps"} | clean} | CONTENT | bound)
    assert (result.paper_classifier, result.value, result.metrics["bound"]) == ("GBZ", None, Mean(-1.0, 2.0, 3))
    assert result.metrics["elbo"] is None


def test_checks_and_other_images_have_results_of_their_own():
    common = {k: SETTINGS[k] for k in ("victim", "dataset", "seed", "num_images", "protocol")}
    line = {"check": "a", "verdict": "pass", "figure": "1 of 3", "n": 3}
    checks = Result.from_json({"settings": common | {"attack": "checks"}, "n": 3, "lines": [line]})
    assert isinstance(checks, ChecksResult)
    assert checks.lines[0].verdict == "pass"
    with pytest.raises(FileError, match=r"lines"):
        Result.from_json({"settings": common | {"attack": "checks"}, "n": 3, "lines": [line | {"n": "3"}]})
    detection = {"rate": 0.05, "calibration": {"images": 5}}
    kl = {"fp": rate(0, 3), "tp": rate(3, 3), "auroc": 1.0, "true_rate_at": {"0.05": 1.0, "0.01": 1.0}}
    s = common | {"attack": "ood", "against": "noise", "detection": detection}
    other = Result.from_json({"settings": s, "n": 3, "detectors": {"kl": kl}})
    assert isinstance(other, OutOfDistributionResult)
    assert (other.against, other.detectors["kl"].tp, other.detectors["kl"].unnoticed_errors) == (
        "noise", Rate.of(3, 3), None,
    )  # fmt: skip


@st.composite
def contents(draw) -> dict:
    """Whole attack results, some with labels, means, and what a later version may add."""
    n = draw(st.integers(1, 8))
    classes = st.lists(st.integers(0, 9), min_size=n, max_size=n)
    predictions, labels = draw(classes), draw(classes)
    right = sum(a == b for a, b in zip(predictions, labels, strict=True))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    content = CONTENT | {"n": n, "predictions": predictions, "labels": labels, "accuracy": rate(right, n)}
    content |= {"success_right_before": rate(draw(st.integers(0, right)), right), "unmoved": rate(0, n)}
    content["seconds"] = draw(st.dictionaries(st.sampled_from(["attack", "evaluation"]), finite))
    content |= draw(st.fixed_dictionaries({}, optional={"bound": st.fixed_dictionaries(
        {"mean": finite, "std": finite, "n": st.integers(0, 9)}), "later": st.lists(st.text())}))  # fmt: skip
    return {"settings": SETTINGS | {"num_images": n, "eps": draw(st.floats(0, 1))}} | content


@given(contents())
def test_reading_what_was_written_is_the_identity(content):
    result = Result.from_json(content)
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert result.to_json() == content


@given(st.integers(0, 500), st.integers(0, 500))
def test_rates_have_the_intervals_of_scipy(count, more):
    n = count + more
    share = Rate.of(count, n)
    assert Rate.from_json(share.to_json()) == share
    assert share.to_json() == rate(count, n)
    if n == 0:
        assert (share.rate, share.low, share.high, share.percent()) == (None, None, None, "n/a")
        return
    wilson = binomtest(count, n).proportion_ci(0.95, "wilson")
    assert (share.count, share.n, share.rate) == (count, n, count / n)
    assert (share.low, share.high) == pytest.approx((wilson.low, wilson.high), abs=1e-12)
    assert share.percent() == f"{100 * count / n:.1f}"


# ---- results that lie ------------------------------------------------------------------------------------------------


def leaves(value, path=()):
    """Paths of all numbers, texts and truths."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return f"{value}x" if isinstance(value, str) else 0.5 if value is None else value + 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_value_of_a_result_is_believed(tmp_path, data):
    store = ResultsStore(tmp_path)
    written = store.write(SETTINGS, CONTENT, {"logits": LOGITS})
    content = json.loads(json.dumps(written.to_json()))
    *way, last = data.draw(st.sampled_from(list(leaves(content))))
    place = content
    for key in way:
        place = place[key]
    place[last] = changed(place[last])
    store.file(SETTINGS).write_text(json.dumps(content))
    assert store.read(SETTINGS) is None
    assert store.all() == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"accuracy": rate(2, 3) | {"rate": 0.9}}, "accuracy contradicts itself"),
        ({"accuracy": rate(2, 3) | {"count": 1}}, "accuracy contradicts itself"),
        ({"accuracy": rate(2, 3) | {"rate": 1.5}}, "accuracy contradicts itself"),
        ({"accuracy": rate(2, 3) | {"low": 0.6}}, "accuracy contradicts itself"),
        ({"accuracy": rate(2, 3) | {"rate": None}}, "accuracy contradicts itself"),
        ({"accuracy": rate(5, 5)}, "(n)"),
        ({"labels": [1, 1, 1]}, "not that of the predictions"),
        ({"seconds": {"attack": math.nan}}, "seconds.attack is nan"),
        ({"later": [{"deep": [math.inf]}]}, "later.deep is inf"),
        ({"fresh_draws": {"draws": 20, "survived": rate(1, 1) | {"n": 2}}}, "fresh_draws.survived"),
    ],
)
def test_a_result_without_a_checksum_must_not_contradict_itself(tmp_path, capsys, change, wrong):
    store = ResultsStore(tmp_path)
    store.file(SETTINGS).parent.mkdir(parents=True)
    store.file(SETTINGS).write_text(json.dumps({"settings": SETTINGS} | CONTENT))
    assert store.read(SETTINGS)["n"] == 3  # as the committed ones are
    store.file(SETTINGS).write_text(json.dumps({"settings": SETTINGS} | CONTENT | change))
    assert store.read(SETTINGS) is None
    assert store.all() == []
    assert capsys.readouterr().err.count(wrong) == 2


def test_a_result_with_its_own_checksum_and_name_is_read(tmp_path):
    written = ResultsStore(tmp_path).write(SETTINGS, CONTENT).to_json()
    other = written | {"settings": SETTINGS | {"victim": "DFX"}, "predictions": [3, 2, 1]}
    assert put(tmp_path, other).parent.name == "DFX"
    assert [r.classifier for r in ResultsStore(tmp_path).all()] == ["GBZ", "DFX"]


def test_nothing_is_written_of_a_result_that_nobody_would_believe(tmp_path):
    with pytest.raises(FileError, match=r"is not written.*seconds\.attack is nan"):
        ResultsStore(tmp_path).write(SETTINGS, CONTENT | {"seconds": {"attack": math.nan}}, {"logits": LOGITS})
    assert not list(tmp_path.iterdir())


def test_a_result_under_anothers_name_is_left_out(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    store.write(SETTINGS, CONTENT)
    file = store.file(SETTINGS)
    names = file.with_name(f"fgsm_eps0.10-{'0' * 10}.json"), tmp_path / "mnist5k" / "DFX" / file.name
    for name in names:
        name.parent.mkdir(exist_ok=True)
        name.write_bytes(file.read_bytes())
    assert [r.settings for r in store.all()] == [SETTINGS]
    reported = capsys.readouterr().err
    assert all(f"{name} holds other settings than its name says; left out" in reported for name in names)


def test_arrays_of_another_result_are_not_believed(tmp_path, capsys):
    store, other = ResultsStore(tmp_path), SETTINGS | {"eps": 0.2}
    mine = store.write(SETTINGS, CONTENT, {"logits": LOGITS})
    store.write(other, CONTENT, {"logits": 2 * LOGITS})
    np.testing.assert_array_equal(store.arrays(mine)["logits"], LOGITS)
    store.file(SETTINGS).with_suffix(".npz").write_bytes(store.file(other).with_suffix(".npz").read_bytes())
    assert store.arrays(mine) == {}
    assert "holds other arrays than" in capsys.readouterr().err
    store.write(SETTINGS, CONTENT, {"logits": LOGITS})
    write_arrays(store.file(SETTINGS).with_suffix(".npz"), {"logits": LOGITS})  # the same at another time
    assert store.arrays(mine).keys() == {"logits"}


@pytest.mark.parametrize(
    "arrays",
    [
        {"logits": LOGITS[:2]},
        {"logits": LOGITS[::-1]},
        {"logits": np.full((3, 10), np.nan, np.float32)},
        {"x_adv": np.zeros((4, 28, 28, 1))},
        {"y": np.array(3)},
        {"y": np.array(["a", "b", "c"])},
        {"examples": np.zeros((2, 28, 28), np.uint8), "examples_row": np.array([0, 7])},
        {"examples": np.zeros((2, 28, 28), np.uint8)},
    ],
)
def test_arrays_of_a_result_without_their_checksum_must_fit_it(tmp_path, arrays):
    store, old = ResultsStore(tmp_path), Result.from_json({"settings": SETTINGS} | CONTENT)
    file = store.file(SETTINGS).with_suffix(".npz")
    write_arrays(file, {"logits": LOGITS, "examples": np.zeros((1, 28, 28)), "examples_row": np.array([2])})
    assert store.arrays(old).keys() == {"logits", "examples", "examples_row"}
    write_arrays(file, arrays)
    assert store.arrays(old) == {}


def test_whatever_lies_among_results_is_one_line(tmp_path, capsys):
    store = ResultsStore(tmp_path)
    store.write(SETTINGS, CONTENT)
    folder = store.file(SETTINGS).parent
    (folder / "link-1.json").symlink_to(tmp_path / "gone")
    (folder / "loop-1.json").symlink_to(folder / "loop-1.json")
    (folder / "folder-1.json").mkdir()
    (folder / "deep-1.json").write_text("[" * 100_000)
    (folder / "bytes-1.json").write_bytes(bytes(range(256)))
    (folder / "two\nlines-1.json").write_text("{")
    os.mkfifo(tmp_path / "mnist5k" / "pipe")
    assert [r.settings for r in store.all()] == [SETTINGS]
    reported = capsys.readouterr().err.splitlines()
    assert len(reported) == 6
    assert all(line.startswith("warning: ") and line.endswith("; left out") for line in reported)


# ---- names -----------------------------------------------------------------------------------------------------------

ODD = [
    "x/../../..",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a\nb",
    "[/x]",
    "$x$",
    "<script>",
    "\U0001f600" * 300,
    "\ud800",
    ".hid",
]


@pytest.mark.parametrize("name", ODD)
def test_a_result_of_an_odd_name_stays_in_the_store_and_is_found_again(tmp_path, name):
    store = ResultsStore(tmp_path / "results")
    store.write(SETTINGS | {"victim": name}, CONTENT, {"logits": LOGITS})
    assert {p.name for p in tmp_path.iterdir()} == {"results"}
    (file,) = (tmp_path / "results").glob("*/*/*.json")
    assert file.parent.parent.name == "mnist5k"
    assert [r.classifier for r in store.all()] == [name]
    assert store.read(SETTINGS | {"victim": name}).classifier == name


@given(st.text(), st.text())
def test_safe_stems_are_one_component_each_and_never_shared(one, other):
    stem = safe_stem(one)
    assert os.path.normpath(os.path.join("a", stem)) == f"a/{stem}"
    assert 0 < len(stem.encode()) <= LONGEST
    assert stem.isprintable()
    assert not stem.startswith(".")
    assert safe_stem(stem) == stem
    assert one == other or safe_stem(other) != stem


@pytest.mark.parametrize("name", ["DBX", "GBZ_z16", "my model (2)", "modèle", "pgd_eps0.10_from_DBX", "CNN-1a2b3c4d"])
def test_names_in_use_stay(name):
    assert safe_stem(name) == name


def test_what_prints_nothing_is_shown():
    assert visible("a\nb\x1b[2J\u200b") == r"a\nb\x1b[2J\u200b"
    assert visible("a\nb", kept="\n") == "a\nb"
