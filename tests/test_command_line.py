"""The commands as users call them, on the shipped weights and the embedded digits; the kills are real ones."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.measurements import batches
from deepbayes.experiments.measurements.batches import usual_batch
from deepbayes.experiments.measurements.device import device
from deepbayes.models import zoo
from deepbayes.models.classifier import Cost
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.classifier import DeepBayesClassifier
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import read_arrays
from helpers import ROOT, linear_victim, results, run, start, tiny_classifier, wait_for

SMALL = ["--num-images", "10", "--samples", "2", "--batch-size", "4"]


pytestmark = pytest.mark.usefixtures("no_data_at_hand")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    before = os.environ.pop("DEEPBAYES_DATA", None)
    try:
        assert run("fgsm", "--dataset", "mnist5k", "--classifiers", "GBZ", "DFX", "--output", folder, *SMALL) == 0
    finally:
        if before:
            os.environ["DEEPBAYES_DATA"] = before
    return folder


def test_fgsm_gives_every_number_with_what_it_is_worth(attacked):
    found = results(attacked, "fgsm_*")
    assert len(found) == 10
    for result in found.values():
        s = result["settings"]
        assert (s["dataset"], s["num_images"], s["samples"], s["protocol"]["name"]) == ("mnist5k", 10, 2, "corrected")
        assert len(s["weights_sha256"]) == len(s["data_sha256"]) == 64
        assert result["accuracy"]["n"] == result["success_all_images"]["n"] == 10
        assert result["accuracy"]["count"] + result["success_all_images"]["count"] == 10
        assert result["success_right_before"]["n"] <= 10
        assert result["accuracy"]["low"] <= result["accuracy"]["rate"] <= result["accuracy"]["high"]
        assert result["audit"]["max_change"] <= s["eps"] + 1e-6
        assert result["unmoved"]["n"] == 10
        assert result["fresh_draws"]["survived"]["n"] <= 25
        assert "mnist5k" in result["note"]


def test_the_table_names_data_and_paper(attacked):
    table = (attacked / "mnist5k" / "fgsm_corrected_n10_K2.md").read_text()
    assert "n = 10 test images of mnist5k (mnist5k is 5,000 digits of MNIST's training set" in table
    assert "In brackets the paper's figure, on the 10,000 official MNIST test images" in table
    assert "(62.0)" in table
    for figure in ("fgsm_corrected_n10_K2.png", "fgsm_corrected_n10_K2_examples.png"):
        assert (attacked / "mnist5k" / figure).read_bytes()[:4] == b"\x89PNG"


def test_finished_results_are_kept_unless_fresh(attacked, monkeypatch):
    before = {f: f.stat().st_mtime_ns for f in attacked.glob("*/*/*.json")}
    command = ["fgsm", "--dataset", "mnist5k", "--classifiers", "DFX", "--output", attacked, *SMALL]
    assert run(*command) == 0
    assert before == {f: f.stat().st_mtime_ns for f in attacked.glob("*/*/*.json")}
    assert run(*command, "--eps", "0.1", "--fresh") == 0
    changed = [f for f, t in before.items() if f.stat().st_mtime_ns != t]
    assert sorted(f.name.split("-")[0] for f in changed) == ["clean", "fgsm_eps0.10"]


def test_results_do_not_depend_on_the_batch_size(attacked, tmp_path):
    other = ["--num-images", "10", "--samples", "2", "--batch-size", "7"]
    assert run("fgsm", "--dataset", "mnist5k", "--classifiers", "GBZ", "--output", tmp_path, *other) == 0
    for name, result in results(tmp_path, "fgsm_*").items():
        assert result["predictions"] == results(attacked, "fgsm_*")[name]["predictions"]


def test_a_damaged_result_is_computed_again_to_the_same_numbers(attacked, capsys):
    file = next((attacked / "mnist5k" / "DFX").glob("fgsm_eps0.30-*.json"))
    before = json.loads(file.read_text())
    file.write_bytes(file.read_bytes()[:100])
    assert run("fgsm", "--dataset", "mnist5k", "--classifiers", "DFX", "--output", attacked, *SMALL) == 0
    assert "computing it again" in capsys.readouterr().err
    after = json.loads(file.read_text())
    timed = {"seconds", "sha256"}
    assert {k: v for k, v in after.items() if k not in timed} == {k: v for k, v in before.items() if k not in timed}


def test_report_computes_nothing(attacked, capsys):
    assert run("report", "--output", attacked) == 0
    assert "GBZ" in capsys.readouterr().out


def test_save_keeps_images_labels_and_logits(attacked):
    command = ["fgsm", "--dataset", "mnist5k", "--classifiers", "DFX", "--eps", "0.2", "--save", "--output", attacked]
    assert run(*command, *SMALL) == 0
    file = next((attacked / "mnist5k" / "DFX").glob("fgsm_eps0.20-*.npz"))
    with np.load(file) as arrays:
        assert arrays["x_adv"].shape == (10, 28, 28, 1)
        assert arrays["logits"].shape == (10, 10)
        result = json.loads(file.with_suffix(".json").read_text())
        assert arrays["logits"].argmax(axis=1).tolist() == result["predictions"]
    without = [a for a in command if a != "--save"]
    assert run(*without, *SMALL, "--fresh") == 0  # as another process would that did not know of them
    with np.load(file) as arrays:
        assert "x_adv" in arrays


def test_targeted_attacks_count_the_target(tmp_path):
    assert (
        run("fgsm", "--classifiers", "DFX", "--eps", "0.3", "--targeted", "--save", "--output", tmp_path, *SMALL) == 0
    )
    (result,) = results(tmp_path, "fgsm_*").values()
    with np.load(next(tmp_path.glob("*/*/fgsm_*.npz"))) as arrays:
        assert np.all(arrays["y_attacked"] != arrays["y"])
        reached = np.sum(arrays["logits"].argmax(axis=1) == arrays["y_attacked"])
    assert result["success_all_images"]["count"] == reached


def test_evaluate_gives_accuracy_and_bound(tmp_path, capsys):
    assert run("evaluate", "--classifiers", "GBZ", "--output", tmp_path, *SMALL) == 0
    output = capsys.readouterr()
    assert "Clean accuracy" in output.out
    assert "MNIST is not at hand: using mnist5k" in output.err
    (result,) = [json.loads(f.read_text()) for f in tmp_path.glob("*/GBZ/clean-*.json")]
    assert -60 < result["bound"]["mean"] < -10


def test_the_2019_protocols_drop_the_last_partial_batch(tmp_path):
    assert run("evaluate", "--classifiers", "DFX", "--protocol", "2019-code", "--output", tmp_path, *SMALL) == 0
    (result,) = [json.loads(f.read_text()) for f in tmp_path.glob("*/DFX/clean-*.json")]
    assert result["n"] == 8
    assert ATTACKS["fgsm"].defaults("2019-code")["loss"] == "cross-entropy"


def test_the_number_of_images_says_which_they_are(tmp_path):
    """Whole batches are counted before images are chosen: 45 and 40 in batches of 20 are the same 40."""
    for asked in (40, 45):
        common = ("--classifiers", "DFX", "--num-images", asked, "--output", tmp_path / str(asked))
        assert run("evaluate", "--protocol", "paper", *common) == 0
    first, second = (json.loads(next(tmp_path.glob(f"{n}/*/DFX/clean-*.json")).read_text())["labels"] for n in (40, 45))
    assert first == second == np.repeat(range(10), 4).tolist()


# ---- other victims ----


def test_any_keras_model_of_logits_is_a_victim(tmp_path):
    file = linear_victim(tmp_path)
    assert run("fgsm", "--victim-model", file, "--eps", "0.3", "--output", tmp_path / "r", *SMALL) == 0
    (result,) = results(tmp_path / "r", "fgsm_*", "mine").values()
    assert result["success_right_before"]["n"] >= 8
    assert result["success_right_before"]["rate"] == 1.0
    assert result["fresh_draws"] is None


def test_a_gradient_killing_victim_is_reported_by_its_zero_gradients(tmp_path):
    """Cross-entropy at margins of hundreds of nats is flat in float32; the log-odds is not."""
    file = linear_victim(tmp_path, scale=1e4)
    command = ["fgsm", "--victim-model", file, "--eps", "0.1", "--output", tmp_path / "r", *SMALL]
    assert run(*command, "--protocol", "paper") == 0
    assert run(*command) == 0
    rates = {r["settings"]["protocol"]["name"]: r["unmoved"] for r in results(tmp_path / "r", "fgsm_*").values()}
    assert rates["paper"]["rate"] >= 0.8
    assert rates["corrected"]["count"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "softmax"}, "gives probabilities; attacks need logits"),
        ({"classes": 7}, r"output of shape (7,), not 10 logits"),
        ({"scale": np.nan}, "gives NaN or infinite logits"),
        ({"shape": (32, 32, 3)}, "does not take images of shape (28, 28, 1)"),
    ],
)
def test_victims_that_are_no_classifiers_of_logits_are_refused(tmp_path, capsys, options, message):
    file = linear_victim(tmp_path, **options)
    assert run("fgsm", "--victim-model", file, "--output", tmp_path / "r", *SMALL) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_file_that_is_no_model_is_refused(tmp_path, capsys):
    (tmp_path / "mine.keras").write_bytes(b"nothing")
    assert run("fgsm", "--victim-model", tmp_path / "mine.keras", "--output", tmp_path / "r") == 2
    assert "cannot be read as a Keras model" in capsys.readouterr().err


# ---- bad input ----


@pytest.mark.parametrize(
    "arguments",
    [
        ["fgsm", "--eps", "-0.1"],
        ["fgsm", "--eps", "nan"],
        ["fgsm", "--eps", "inf"],
        ["fgsm", "--classifiers", "GFX"],
        ["fgsm", "--dataset", "svhn"],
        ["fgsm", "--num-images", "0"],
        ["fgsm", "--protocol", "2018"],
        ["fgsm", "--samples", "0"],
        ["fgsm", "--no-such-option"],
        ["train", "--learning-rate", "nan"],
        ["dance"],
    ],
)
def test_bad_arguments_exit_with_2_and_write_nothing(arguments, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments, *(["--output", tmp_path / "r"] if len(arguments) > 1 else []))
    assert stopped.value.code == 2
    assert arguments[-1].lstrip("-") in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_unknown_data_sets_are_answered_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run("fgsm", "--dataset", "svhn")
    assert "mnist5k" in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["missing", "leak"])
def test_weights_that_cannot_be_used_stop_before_any_work(tmp_path, capsys, weights):
    if weights == "leak":
        card = {"data": {"name": "mnist/train", "unseen": ["mnist"]}}
        zoo.save_classifier(tmp_path / "w" / "DFX.npz", zoo.new_classifier("mnist", "DFX", 0), card)
    arguments = ["--weights", tmp_path / "w", "--output", tmp_path / "r", *SMALL]
    assert run("fgsm", "--classifiers", "DFX", *arguments) == 2
    error = capsys.readouterr().err
    assert ("no weights at" if weights == "missing" else "contains the test images of mnist5k") in error
    assert not (tmp_path / "r").exists()


def test_a_results_folder_that_cannot_be_written_stops_before_any_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("fgsm", "--classifiers", "DFX", "--output", tmp_path / "file" / "r", *SMALL) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_training_on_less_than_a_batch_is_refused(mnist_dir, tmp_path, capsys):
    options = ["--train-images", "10", "--data-dir", mnist_dir, "--output", tmp_path / "r"]
    assert run("train", "--dataset", "mnist5k", "--classifiers", "DBX", *options) == 2
    assert "10 training images do not fill one batch of 50" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_data_folder_that_does_not_exist_is_not_replaced_by_the_embedded_digits(tmp_path, capsys):
    assert run("fgsm", "--data-dir", tmp_path / "none", "--output", tmp_path / "r") == 2
    assert "is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("command", ["fgsm", "evaluate"])
def test_where_a_gpu_is_required_and_none_is_seen_the_cure_is_named(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setenv("DEEPBAYES_REQUIRE_GPU", "1")
    assert run(command, "--output", tmp_path / "r", *SMALL) == 2
    error = capsys.readouterr().err
    assert "TensorFlow sees no GPU" in error
    assert "NVIDIA container toolkit" in error
    assert "docker compose run cpu" in error
    assert not (tmp_path / "r").exists()


def test_results_land_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPBAYES_RESULTS", str(tmp_path / "r"))
    assert run("evaluate", "--classifiers", "DFX", *SMALL) == 0
    assert list(tmp_path.glob("r/mnist5k/DFX/clean-*.json"))


def test_a_report_without_results_says_how_to_make_some(tmp_path, capsys):
    assert run("report", "--output", tmp_path) == 2
    assert "./run_experiments.sh fgsm" in capsys.readouterr().err


# ---- kills ----


def test_fgsm_goes_on_after_kill_9_with_the_same_numbers(attacked, tmp_path):
    command = ["fgsm", "--dataset", "mnist5k", "--classifiers", "GBZ", "DFX", "--output", tmp_path, *SMALL]
    process = start(*command)
    wait_for(lambda: len(results(tmp_path, "fgsm_*")) >= 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {f: f.stat().st_mtime_ns for f in tmp_path.glob("*/*/*.json")}
    assert 0 < len(results(tmp_path, "fgsm_*")) < 10
    assert run(*command) == 0
    assert all(f.stat().st_mtime_ns == t for f, t in kept.items())
    whole, resumed = results(attacked, "fgsm_*"), results(tmp_path, "fgsm_*")
    assert {n: r["predictions"] for n, r in resumed.items()} == {n: whole[n]["predictions"] for n in resumed}
    assert len(resumed) == 10


def test_ctrl_c_says_what_was_kept(tmp_path):
    command = ["fgsm", "--dataset", "mnist5k", "--classifiers", "DFX", "GBZ", "--output", tmp_path, *SMALL]
    process = start(*command)
    wait_for(lambda: results(tmp_path, "fgsm_*"), process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"the same command goes on from there" in error
    assert not list(tmp_path.rglob("*.tmp"))


def test_training_goes_on_after_kill_9_to_the_same_weights(mnist_dir, tmp_path, capsys):
    command = [
        "train", "--dataset", "mnist5k", "--classifiers", "DBX", "--epochs", "2", "--train-images", "400",
        "--checkpoint-steps", "3", "--validate-every", "2", "--test-images", "4", "--data-dir", mnist_dir,
    ]  # fmt: skip
    process = start(*command, "--output", tmp_path / "whole")
    process.communicate(timeout=300)
    assert process.returncode == 0
    process = start(*command, "--output", tmp_path / "killed")
    wait_for((tmp_path / "killed/training/mnist5k/DBX/checkpoint.npz").exists, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed/training/mnist5k/DBX.npz").exists()
    process = start(*command, "--output", tmp_path / "killed")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()[-2000:]
    assert b"going on from step" in error
    whole, killed = (read_arrays(tmp_path / run / "training/mnist5k/DBX.npz") for run in ("whole", "killed"))
    for name in whole:
        np.testing.assert_array_equal(whole[name], killed[name], err_msg=name)
    card = json.loads((tmp_path / "killed/training/mnist5k/DBX.json").read_text())
    assert card["data"]["images"] == 400
    assert run(*command, "--epochs", "1", "--output", tmp_path / "killed") == 2
    assert "has been trained for 2 epochs" in capsys.readouterr().err
    assert json.loads((tmp_path / "killed/training/mnist5k/DBX.json").read_text()) == card
    assert card["tests"]["mnist/test"]["n"] == card["tests"]["mnist5k/test"]["n"] == 4


# ---- the shell script ----


def test_the_front_door_opens_from_any_directory_and_explains_itself(tmp_path):
    environment = os.environ | {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    script = ROOT / "run_experiments.sh"
    for arguments in ([], ["--help"]):
        done = subprocess.run([script, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0
        assert "examples:" in done.stdout
    done = subprocess.run(
        [script, "report", "--output", "none"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no results")
    assert not (tmp_path / "none").exists()


def test_a_gpu_is_named_takes_memory_as_needed_and_gets_xla_and_the_full_gradient(monkeypatch):
    done = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "NVIDIA A100"})
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: done.append((gpu, on)))
    monkeypatch.setattr(tf.config.optimizer, "set_jit", done.append)
    assert device() == device() == "1 GPU (NVIDIA A100), XLA"
    assert done == [("GPU:0", True), "autoclustering"]
    assert tiny_classifier("GFZ").gradient_drops == 0


def test_without_a_gpu_xla_stays_off(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(tf.config.optimizer, "set_jit", lambda how: pytest.fail("XLA on a CPU"))
    assert device().startswith("CPU")


def cost(dataset: str, samples: int) -> Cost:
    return DeepBayesClassifier(DeepBayes(FACTORISATIONS["GBZ"], ARCHITECTURES[dataset], samples=samples)).cost


def test_a_batch_shrinks_where_samples_and_classes_would_not_fit(monkeypatch):
    monkeypatch.setattr(batches, "memory_bytes", lambda: 24 << 30)
    assert usual_batch(cost("mnist", 10)) == usual_batch(cost("plane_frog", 10)) == 20
    assert 5 < usual_batch(cost("mnist", 100)) < 20
    assert usual_batch(cost("mnist", 10_000)) == 1
    monkeypatch.setattr(batches, "memory_bytes", lambda: 1 << 30)
    assert 5 < usual_batch(cost("mnist", 10)) < 20
    assert usual_batch(Cost(bytes=0)) == 20
