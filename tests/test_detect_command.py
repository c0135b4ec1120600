"""`detect`, `ood` and `rings` as users call them, on the shipped weights and the embedded digits."""

import json

import keras
import numpy as np
import pytest

from deepbayes.data import fashion_mnist, mnist5k
from deepbayes.detect.thresholds import fit
from deepbayes.experiments.measurements.noise_roles import CALIBRATION, noise_seed
from deepbayes.experiments.preparation import training_logits
from deepbayes.experiments.runs.detect import measure
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.legacy_port.detection import KEYS
from deepbayes.legacy_port.golden import Golden
from deepbayes.models.deep_bayes.classifier import DeepBayesClassifier
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.models.files import read_arrays
from deepbayes.models.zoo import load_classifier
from helpers import GOLDEN, results, run, settings_of, tiny

FEW = ["--num-images", "30"]


pytestmark = pytest.mark.usefixtures("no_data_at_hand")


@pytest.fixture(scope="module")
def detected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detected")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DEEPBAYES_DATA", raising=False)
        patch.setenv("KERAS_HOME", str(folder / "keras"))
        assert run("detect", "--classifiers", "DFX", "GBZ", "--eps", "0.1", "0.3", *FEW, "--output", folder / "r") == 0
    return folder / "r"


def test_every_number_has_its_count(detected):
    found = results(detected, "detect_*")
    assert len(found) == 4
    for result in found.values():
        successes = result["successes"]["count"]
        assert result["successes"]["n"] == result["n"] == 30
        for name, content in result["detectors"].items():
            assert content["fp"]["n"] == content["unnoticed_errors"]["n"] == 30
            assert content["tp"]["n"] == successes
            assert content["unnoticed_errors"]["count"] <= result["errors"]["count"]
            tied = (result["settings"]["victim"], name) == ("DFX", "tv")  # its posteriors are often exactly 1
            assert (0.03 if tied else 0.04) < content["training_rate"] < 0.0501, name
            assert content["tp"]["count"] <= result["union"]["tp"]["count"], name
        calibration = result["settings"]["detection"]["calibration"]
        assert (calibration["data"], calibration["images"]) == ("mnist5k/train", 55_000)


def test_classifiers_without_a_density_have_no_density_detectors(detected):
    for victim, names in (("DFX", {"kl", "tv"}), ("GBZ", {"marginal", "logit", "kl", "tv"})):
        assert all(r["detectors"].keys() == names for r in results(detected, "detect_*", victim).values())
    tables = (detected / "mnist5k" / "detect_fgsm_corrected_n30.md").read_text()
    assert "| DFX | N/A | N/A | N/A |" in tables
    assert "(91.6)" in tables  # the paper's KL rate of GBZ at eps 0.1
    assert "misclassified and not detected" in tables


def test_rates_follow_from_the_stored_statistics(detected):
    result = next(r for n, r in results(detected, "detect_*", "GBZ").items() if "eps0.30" in n)
    with np.load(next((detected / "mnist5k" / "GBZ").glob("detect_fgsm_eps0.30-*.npz"))) as arrays:
        assert arrays["success"].sum() == result["successes"]["count"] > 0
        scores = arrays["marginal_score_clean"], arrays["marginal_score_attacked"][arrays["success"]]
        order = np.mean(scores[1][:, None] > scores[0])  # the share of pairs in the right order is the area
        assert result["detectors"]["marginal"]["auroc"] == pytest.approx(order, abs=1e-3)


def test_a_second_run_computes_nothing_and_fgsm_shares_the_attack(detected, capsys):
    before = {f: f.stat().st_mtime_ns for f in detected.glob("*/*/*.json")}
    command = ["--classifiers", "DFX", "GBZ", "--eps", "0.1", "0.3", *FEW, "--output", detected]
    assert run("detect", *command) == run("fgsm", *command) == run("report", "--output", detected) == 0
    assert before == {f: f.stat().st_mtime_ns for f in detected.glob("*/*/*.json")}
    assert "detected by KL detection" in capsys.readouterr().out
    for kind in ("", "_histograms", "_roc"):
        assert (detected / "mnist5k" / f"detect_fgsm_corrected_n30{kind}.png").read_bytes()[:4] == b"\x89PNG"


def test_a_guard_looks_at_what_fools_another(detected):
    command = ["detect", "--classifiers", "DFX", "--guard", "DBX", "--eps", "0.3", *FEW, "--output", detected]
    assert run(*command) == 0
    (result,) = [r for n, r in results(detected, "detect_*", "DFX").items() if "guard_DBX" in n]
    assert "| GBZ |" in (detected / "mnist5k" / "detect_fgsm_corrected_n30.md").read_text()  # own guards' table stays
    assert result["settings"]["detection"]["guard"] == "DBX"
    assert result["transferred"]["n"] >= result["transferred"]["count"]
    assert result["successes"]["count"] <= result["errors"]["count"]
    assert "| DFX -> DBX |" in (detected / "mnist5k" / "detect_fgsm_guard_DBX_corrected_n30.md").read_text()


def test_a_users_keras_model_guards_itself_by_its_posterior(tmp_path, mnist_dir):
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.save(tmp_path / "mine.keras")
    command = ["detect", "--dataset", "mnist", "--victim-model", tmp_path / "mine.keras", "--eps", "0.3", *FEW]
    command += ["--calibration-images", "500", "--data-dir", mnist_dir, "--output", tmp_path / "r"]
    assert run(*command) == 0
    (result,) = results(tmp_path / "r", "detect_*", "mine").values()
    assert result["detectors"].keys() == {"kl", "tv"}
    assert result["settings"]["detection"]["calibration"]["data"] == "mnist/train"
    assert "| mine |" in (tmp_path / "r" / "mnist" / "detect_fgsm_cal500_corrected_n30.md").read_text()


def test_2019s_protocol_evaluates_twice_and_averages_over_classes(detected):
    command = ["detect", "--classifiers", "DBX", "--eps", "0.2", "--num-images", "40", "--output", detected]
    assert run(*command, "--protocol", "2019-code") == 0
    (result,) = results(detected, "detect_*", "DBX").values()
    assert result["settings"]["detection"]["rule"] == "bisection"
    assert result["successes"]["count"] == result["errors"]["count"]
    shown = f"{100 * result['detectors']['kl']['tp_class_averaged']:.1f}"
    table = (detected / "mnist5k" / "detect_fgsm_2019-code_n40.md").read_text()
    assert f"| DBX | {100 * result['detectors']['kl']['fp']['rate']:.1f} | {shown} " in table
    assert "Mean over predicted classes" in table


@pytest.mark.parametrize(("kind", "name"), [("whitebox", "logit"), ("whitebox", "kl"), ("transfer", "marginal")])
def test_under_2019s_protocol_the_stored_rates_are_2019s(kind, name):
    g, key = Golden(GOLDEN / f"detection_{kind}.npz"), KEYS[name]
    how = PROTOCOLS["2019-code"].detection
    fitted = {name: fit(name, g["logits_train"], g["y_train"], 0.05, how.rule)}
    deciding = g["logits_adv_victim" if kind == "whitebox" else "logits_adv_guard"]
    content, _ = measure(fitted, how, g["logits_clean"], g["logits_adv_guard"], deciding, g["y_clean"])
    found = content["detectors"][name]
    share = found["tp"]["rate"] if name == "marginal" else found["tp_class_averaged"]
    assert 100 * share == pytest.approx(float(g[f"result/TP_{key}"]), abs=0.01)
    assert 100 * found["training_rate"] == pytest.approx(float(g[f"result/FP_{key}"]), abs=0.01)
    assert 100 * content["successes"]["rate"] == pytest.approx(float(g["result/success_rate"]), abs=0.01)


# ---- where training logits come from ----


def test_without_the_training_images_the_error_says_what_is_needed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("deepbayes.data.download.URL", "file:///nowhere/")
    assert run("detect", "--classifiers", "DFX", "--samples", "2", "--eps", "0.3", *FEW, "--output", tmp_path) == 2
    error = capsys.readouterr().err
    assert "DFX's thresholds are set on its training images, mnist5k/train: MNIST is not at hand" in error
    assert not list(tmp_path.rglob("*.json"))  # thresholds come first


def test_training_logits_go_on_after_an_interruption_to_the_same_numbers(tmp_path, mnist_dir, monkeypatch):
    class OfTheMiddle(DeepBayesClassifier):
        def logits(self, x, index, seed):
            return super().logits(x[:, 10:18, 10:18, :], index, seed)

    few = ["detect", "--calibration-images", "100", "--data-dir", mnist_dir, "--output"]
    victim = OfTheMiddle(tiny("DFX"))
    victim.shape, victim.trained_on = (28, 28, 1), "mnist/train"
    victim.settings = {"weights_sha256": "0" * 64} | victim.settings
    options = settings_of(*few, tmp_path / "whole")
    whole = training_logits.training_logits(options, "mnist", victim, PROTOCOLS["corrected"])
    assert whole.logits.shape == (100, 3)

    options = settings_of(*few, tmp_path / "broken")
    monkeypatch.setattr(training_logits, "_SAVE_SECONDS", 0)
    written = training_logits.write_arrays

    def interrupt(file, arrays):
        written(file, arrays)
        if len(arrays["logits"]) == 60:
            raise KeyboardInterrupt

    monkeypatch.setattr(training_logits, "write_arrays", interrupt)
    with pytest.raises(KeyboardInterrupt):
        training_logits.training_logits(options, "mnist", victim, PROTOCOLS["corrected"])
    (partial,) = (tmp_path / "broken").rglob("*.npz")  # what is finished is never written over by half of it
    assert len(read_arrays(partial)["logits"]) == 60
    monkeypatch.setattr(training_logits, "write_arrays", written)
    resumed = training_logits.training_logits(options, "mnist", victim, PROTOCOLS["corrected"])
    np.testing.assert_array_equal(resumed.logits, whole.logits)
    (card,) = (tmp_path / "broken").rglob("*.json")
    assert json.loads(card.read_text())["computed"] == 40
    assert not partial.exists()


def test_damaged_training_logits_are_reported_and_made_again(tmp_path, mnist_dir, capsys):
    command = ["ood", "--classifiers", "DBX", "--against", "noise", "--samples", "1", "--calibration-images", "200"]
    command += ["--data-dir", mnist_dir, *FEW, "--output", tmp_path]
    assert run(*command) == 0
    (file,) = tmp_path.glob("training_logits/*/*.npz")
    content = file.read_bytes()
    file.write_bytes(content[:500])
    assert run(*command, "--fresh") == 0
    assert "is damaged" in capsys.readouterr().err
    assert read_arrays(file)["logits"].shape == (200, 10)
    assert run("report", "--output", tmp_path) == 0  # the card of training logits is no result
    assert list(tmp_path.glob("*/ood_cal200_*.md"))


# ---- other images, two rings ----


def test_noise_is_told_from_digits_by_its_density(tmp_path):
    assert run("ood", "--classifiers", "GBZ", "DFX", "--against", "noise", *FEW, "--output", tmp_path) == 0
    found = {f.parent.name: json.loads(f.read_text()) for f in tmp_path.glob("*/*/ood_noise-*.json")}
    assert found["GBZ"]["detectors"]["marginal"]["auroc"] > 0.99
    assert found["GBZ"]["detectors"]["marginal"]["tp"]["n"] == 30
    assert found["DFX"]["detectors"].keys() == {"kl", "tv"}
    assert "Images of another kind: noise" in (tmp_path / "mnist5k" / "ood_corrected_n30.md").read_text()


def test_without_fashion_mnist_noise_alone_is_taken_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path)
    assert run("ood", "--classifiers", "DFX", *FEW, "--output", tmp_path / "r") == 0
    assert "fashion_mnist is not at hand: left out (--against fashion_mnist downloads it)" in capsys.readouterr().err
    assert [f.name[:10] for f in (tmp_path / "r").glob("*/*/ood_*.json")] == ["ood_noise-"]


def test_two_rings(tmp_path, capsys):
    assert run("rings", "--output", tmp_path) == 0
    found = json.loads((tmp_path / "rings" / "rings.json").read_text())
    for name in ("marginal", "logit", "kl"):
        assert found[name]["training"] == pytest.approx(0.1, abs=1e-3)
        assert found[name]["fresh"]["low"] < 0.12
        assert found[name]["fresh"]["high"] > 0.08
    assert (tmp_path / "rings" / "rings.png").read_bytes()[:4] == b"\x89PNG"
    assert "Two rings" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--fpr", "0"], ["--fpr", "1.5"], ["--guard", "GFX"], ["--calibration-images", "-3"]]
)
def test_bad_arguments_exit_with_2(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("detect", *arguments, "--output", tmp_path / "r")
    assert stopped.value.code == 2
    assert not (tmp_path / "r").exists()


def test_calibrating_on_too_few_images_names_the_classes(tmp_path, capsys):
    options = ["--classifiers", "DFX", "--eps", "0.3", "--calibration-images", "3", *FEW, "--output", tmp_path]
    assert run("detect", *options) == 2
    assert "DFX: no training images of class" in capsys.readouterr().err


def test_what_ships_serves_every_seed(tmp_path):
    options = settings_of("detect", "--seed", "1", "--output", tmp_path)
    victim = load_classifier("mnist5k", "DFX")
    settings = training_logits.training_logits(options, "mnist5k", victim, PROTOCOLS["corrected"]).settings
    assert (settings["images"], settings["seed"]) == (55_000, 0)


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_shipped_training_logits_are_those_of_the_shipped_weights(mnist_dir, name):
    options = settings_of("detect", "--output", "/nonexistent")
    victim = load_classifier("mnist5k", name)
    shipped = training_logits.training_logits(options, "mnist5k", victim, PROTOCOLS["corrected"])
    images = mnist5k.load("train", mnist_dir)
    assert (len(shipped.labels), shipped.settings["data_sha256"]) == (len(images), images.sha256)
    np.testing.assert_array_equal(shipped.labels, images.y)
    some = images.spread(20)
    logits = victim.graph_of("logits")(some.x, some.index.astype(np.int32), noise_seed(0, CALIBRATION))
    np.testing.assert_allclose(shipped.spread(20).logits, logits, rtol=1e-3)  # float16 rounds by 2^-11
