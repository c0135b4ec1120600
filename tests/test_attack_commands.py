"""The attack commands end to end on real digits: every attack, students, transfer, checks, kills and bad input."""

import json
import signal
import time

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from deepbayes.attacks.registry import ATTACKS
from deepbayes.attacks.target import Target
from deepbayes.data import mnist5k
from deepbayes.detect.thresholds import fit
from deepbayes.experiments.command_line.parser import PREFIX, parser
from deepbayes.experiments.measurements.context import open_context
from deepbayes.experiments.measurements.craft import Crafting, build_craft, remove_partial
from deepbayes.experiments.measurements.noise_roles import EVALUATION, noise_seed
from deepbayes.experiments.preparation import surrogate_models
from deepbayes.experiments.preparation.training_logits import training_logits
from deepbayes.experiments.reporting.grouping import groups
from deepbayes.experiments.reporting.summary_tables import minimum_perturbations
from deepbayes.experiments.runs import sanity_checks
from deepbayes.experiments.runs.sanity_checks import FLAG, PASS
from deepbayes.experiments.settings.attack_plan import changed_options, make_plan
from deepbayes.experiments.settings.protocol import PROTOCOLS
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.classifier import Classifier
from deepbayes.models.deep_bayes.classifier import DROP
from deepbayes.models.files import read_arrays
from deepbayes.models.zoo import load_classifier
from helpers import digits_kernel, linear_victim, run, settings_of, start, stored, wait_for

pytestmark = pytest.mark.usefixtures("no_data_at_hand")
TINY = ["--num-images", "4", "--seed", "0"]
QUICK = {
    "pgd": ["--steps", "3"], "mim": ["--steps", "3"], "cw": ["--steps", "3"], "wbs": ["--steps", "2"],
    "spsa": ["--steps", "2", "--directions", "3"], "square": ["--queries", "10"],
    "onepixel": ["--population", "5", "--generations", "2"],
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in ATTACKS if n != "wbs"])
def test_every_attack_has_a_command_a_table_a_figure_and_results(name, tmp_path, capsys):
    file, attack = linear_victim(tmp_path), ATTACKS[name]
    value = {"eps": 0.2, "c": 10.0, "pixels": 3, "factor": 0.5, "scale": 0.2}[attack.parameter]
    arguments = [f"--{attack.parameter}", value, *QUICK.get(name, []), *TINY]
    assert run(name, "--victim-model", file, *arguments, "--output", tmp_path / "r") == 0
    assert f"{name.upper()} (" in capsys.readouterr().out
    (result,) = stored(tmp_path / "r", f"{name}_*")
    assert result["settings"]["options"].keys() == attack.defaults("corrected").keys()
    assert result["settings"][attack.parameter] == value
    assert result["n"] == 4
    assert result["audit"]["max_pixel"] <= 1
    assert result["seconds"]["attack"] > 0
    assert list(tmp_path.glob(f"r/mnist5k/{name}_*n4.png"))
    assert list(tmp_path.glob(f"r/mnist5k/{name}_*n4.md"))
    assert not list(tmp_path.rglob("*.partial.npz"))


def test_the_detector_aware_attack_runs_on_a_shipped_classifier(tmp_path, capsys):
    command = ["wbs", "--classifiers", "DFX", *QUICK["wbs"], *TINY, "--output", tmp_path]
    assert run(*command, "--statistic", "kl") == 0
    (result,) = stored(tmp_path, "wbs_eps0.20")
    assert result["settings"]["evades"]["rate"] == 0.05
    assert run(*command, "--statistic", "logit") == 2
    assert "DFX has no logit detector to evade: --statistic kl or tv" in capsys.readouterr().err


def test_a_victim_without_samples_cannot_be_attacked_sample_by_sample(tmp_path, capsys):
    assert run("wbs", "--victim-model", linear_victim(tmp_path), *TINY, "--output", tmp_path / "r") == 2
    assert "needs the logits of each sample" in capsys.readouterr().err


def test_the_baseline_is_trained_once_and_attacked_as_any_classifier(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("deepbayes.data.download.URL", "file:///nowhere/")  # of MNIST's own test images
    few = mnist5k.load("test", None).spread(1000)
    monkeypatch.setattr(mnist5k, "load", lambda part, folder: few)
    command = ["train", "--dataset", "mnist5k", "--classifiers", "cnn", "--epochs", "4", "--output", tmp_path]
    assert run(*command) == 0
    weights = tmp_path / "training" / "mnist5k" / "cnn.npz"
    accuracy = json.loads(weights.with_suffix(".json").read_text())["tests"]["mnist5k/test"]["accuracy"]
    assert accuracy["n"] == 1000
    assert accuracy["rate"] > 0.8
    made = weights.stat().st_mtime_ns
    assert run(*command) == 0
    assert "trained already" in capsys.readouterr().err
    assert weights.stat().st_mtime_ns == made
    attack = ["fgsm", "--classifiers", "cnn", "--weights", weights.parent, "--eps", "0.3", *TINY]
    assert run(*attack, "--output", tmp_path) == 0
    (result,) = stored(tmp_path, "fgsm_eps0.30")
    assert result["settings"]["victim"] == "cnn"
    assert result["fresh_draws"] is None


def test_registered_classifiers_and_keras_models_are_attacked_together(tmp_path, capsys):
    both = ["--classifiers", "DFX", "--victim-model", linear_victim(tmp_path), "--eps", "0.1", *TINY]
    assert run("fgsm", *both, "--output", tmp_path / "r") == 0
    assert sorted(r["settings"]["victim"] for r in stored(tmp_path / "r", "fgsm_*")) == ["DFX", "mine"]
    (table,) = tmp_path.glob("r/mnist5k/fgsm_*.md")
    assert "| DFX |" in table.read_text()
    assert "| mine |" in table.read_text()
    for k in range(2):
        (tmp_path / f"m{k}").mkdir()
    two = [linear_victim(tmp_path / f"m{k}") for k in range(2)]
    assert run("fgsm", "--victim-model", *two, "--output", tmp_path / "r2", *TINY) == 2
    assert "two classifiers are called mine: rename" in capsys.readouterr().err
    assert not (tmp_path / "r2").exists()


@pytest.mark.parametrize("command", ["greybox", "blackbox"])
def test_a_student_is_made_once_attacked_and_moved(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(surrogate_models, "STUDENT_EPOCHS", 2)
    file = linear_victim(tmp_path)
    arguments = [command, "--victim-model", file, "--attack", "fgsm", "--output", tmp_path / "r", *TINY]
    arguments += ["--seeds-per-class", "2"] if command == "blackbox" else []
    assert run(*arguments, "--eps", "0.3") == 0
    (result,) = stored(tmp_path / "r", f"{command}_fgsm_*")
    student = result["student"]
    (model,) = tmp_path.glob(f"r/students/mnist5k/mine/{command}-*.keras")
    made = model.stat().st_mtime_ns
    if command == "blackbox":
        assert student["queries"] == 2 * 10 * 32
    else:
        assert student["queries"] == 4996
        assert student["agreement"]["rate"] >= 0.75
    assert result["settings"]["through"]["kind"] == command
    assert "In square brackets the surrogate's own accuracy" in " ".join(capsys.readouterr().out.split())
    assert run(*arguments, "--eps", "0.1", "--targeted", "--save") == 0
    (targeted,) = tmp_path.glob(f"r/mnist5k/mine/{command}_fgsm_targeted_*.npz")
    with np.load(targeted) as saved:
        assert np.all(saved["y_attacked"] != saved["y"])
    assert list(tmp_path.glob("r/students/*/*/*.keras")) == [model]
    assert model.stat().st_mtime_ns == made


def test_a_grey_box_student_learns_from_training_images_where_they_are_at_hand(mnist_dir, tmp_path):
    command = ["greybox", "--classifiers", "DFX", "--attack", "fgsm", "--eps", "0.3", "--calibration-images", "1000"]
    assert run(*command, "--data-dir", mnist_dir, *TINY, "--output", tmp_path) == 0
    (result,) = stored(tmp_path, "greybox_fgsm_*")
    assert result["settings"]["dataset"] == "mnist"
    (card,) = tmp_path.glob("students/mnist/DFX/*.json")
    assert json.loads(card.read_text())["settings"]["taught_on"] == "mnist5k/train"
    assert result["student"]["agreement"]["rate"] >= 0.5


def test_detectors_look_at_what_went_through_a_student(mnist_dir, tmp_path, capsys):
    command = ["greybox", "--classifiers", "DFX", "--attack", "fgsm", "--eps", "0.5", "--calibration-images", "1000"]
    command += ["--data-dir", mnist_dir, *TINY, "--output", tmp_path]
    assert run(*command, "--fpr", "0.1") == 2
    assert "--fpr is of the detectors: add --detect" in capsys.readouterr().err
    assert run(*command, "--detect") == 0
    (attack,) = stored(tmp_path, "greybox_fgsm_*")
    (result,) = stored(tmp_path, "detect_greybox_fgsm_*")
    assert result["settings"]["through"] == attack["settings"]["through"]
    assert result["successes"]["count"] == attack["success_right_before"]["count"]
    assert result["detectors"].keys() == {"kl", "tv"}  # DFX has no density of x
    assert "FGSM crafted on a grey-box surrogate: detected by KL detection" in " ".join(capsys.readouterr().out.split())


def test_2019s_protocol_looks_once_at_images_that_were_moved_to_the_guard(tmp_path, mnist_dir):
    """The statistic that is kept is that of the very logits that say whether the image fools."""
    command = ["greybox", "--classifiers", "DBX", "--attack", "fgsm", "--eps", "0.5", "--detect", "--protocol", "paper"]
    assert run(*command, "--data-dir", mnist_dir, *TINY, "--calibration-images", "1000", "--output", tmp_path) == 0
    (moved,) = tmp_path.glob("mnist/DBX/greybox_fgsm_*.npz")
    (detected,) = tmp_path.glob("mnist/DBX/detect_greybox_fgsm_*.npz")
    predicted = read_arrays(moved)["logits"].argmax(axis=1)
    scores = read_arrays(detected)["tv_attacked"]
    assert len(np.unique(scores)) > 1
    asked = settings_of("detect", "--calibration-images", "1000", "--data-dir", mnist_dir, "--output", tmp_path)
    victim = load_classifier("mnist", "DBX", **PROTOCOLS["paper"].classifier_options())
    training = training_logits(asked, "mnist", victim, PROTOCOLS["paper"])
    detector = fit("tv", training.logits, training.labels, 0.05, "bisection")
    np.testing.assert_allclose(scores, detector.statistic(read_arrays(moved)["logits"], predicted), rtol=1e-5)


def test_damaged_training_images_stop_a_grey_box_instead_of_reading_as_not_at_hand(tmp_path, mnist_dir, capsys):
    with np.load(mnist_dir / "mnist.npz") as real:
        np.savez(tmp_path / "mnist.npz", **(dict(real) | {"x_train": real["x_train"][::-1]}))
    command = ["greybox", "--classifiers", "DFX", "--attack", "fgsm", "--eps", "0.3", "--data-dir", tmp_path, *TINY]
    assert run(*command, "--output", tmp_path / "r") == 2
    assert "its pixels are not those of MNIST's train part" in capsys.readouterr().err


def test_the_same_student_made_twice_is_one_run(tmp_path, monkeypatch):
    monkeypatch.setattr(surrogate_models, "STUDENT_EPOCHS", 1)
    command = ["greybox", "--victim-model", linear_victim(tmp_path), "--attack", "fgsm", "--eps", "0.3", *TINY]
    monkeypatch.setattr(
        surrogate_models, "fit", lambda *arguments, **named: None
    )  # the same weights, whatever the threads
    for _ in range(2):
        assert run(*command, "--fresh", "--output", tmp_path / "r") == 0
        time.sleep(1.1)  # Keras's file holds the second
    assert len(stored(tmp_path / "r", "greybox_fgsm_*")) == 1


def test_a_substitute_is_not_judged_on_the_images_it_grew_from(tmp_path, monkeypatch):
    """Where all 5,000 images are attacked, the seeds are among them; 2019's protocols leave them in."""
    monkeypatch.setattr(surrogate_models, "LOOP_EPOCHS", 1)
    file = linear_victim(tmp_path)
    options = ["--victim-model", file, "--attack", "noise", "--output", tmp_path / "r"]
    with pytest.raises(SystemExit):  # no gradient to follow in a student
        run("blackbox", *options)
    options[3] = "fgsm"
    grown = ["--seeds-per-class", "1", "--eps", "0.1", "--num-images", "all", "--batch-size", "500"]
    assert run("blackbox", *options, *grown) == 0
    assert run("blackbox", *options, *grown, "--protocol", "paper") == 0
    n = {r["settings"]["protocol"]["name"]: r["n"] for r in stored(tmp_path / "r", "blackbox_fgsm_*")}
    assert n == {"corrected": 4990, "paper": 5000}


def test_a_substitute_grows_along_the_plain_gradient():
    """Eq. 4: x + .1 gradient_x p(x)^T y, no sign; of a linear net p (y - p^T y) in its kernel."""
    rng = np.random.default_rng(0)
    kernel, x = rng.normal(size=(4, 3)).astype(np.float32), rng.uniform(0.3, 0.7, (5, 2, 2, 1)).astype(np.float32)
    answers = rng.dirichlet(np.ones(3), 5)
    net = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(3, use_bias=False)])
    net.set_weights([kernel])
    p = scipy.special.softmax(x.reshape(5, 4) @ kernel, axis=1)
    gradient = (p * (answers - np.sum(p * answers, axis=1, keepdims=True))) @ kernel.T
    np.testing.assert_allclose(
        surrogate_models.augment(net, x, answers), x + 0.1 * gradient.reshape(x.shape), atol=1e-6
    )


@pytest.mark.parametrize(("protocol", "seeds"), [("corrected", 50), ("paper", 200)])
def test_a_substitute_grows_from_as_many_images_as_the_protocol_says(protocol, seeds, tmp_path):
    """2019's are drawn whatever is attacked: of 1,000 of the 5,000 images about a fifth."""
    asked = RunSettings(tmp_path, dataset="mnist5k", classifiers=(), num_images=1000, protocol=protocol)
    context = open_context(asked)
    grown = surrogate_models._seed_images(context)
    assert np.bincount(grown.y).tolist() == [seeds] * 10
    shared = np.isin(grown.index, context.images.index).mean()
    assert shared == 0 if protocol == "corrected" else 0.1 < shared < 0.3


def test_the_transfer_matrix_holds_every_pair(tmp_path, capsys):
    command = ["transfer", "--attack", "fgsm", "--eps", "0.2", "--classifiers", "DFX", "DBX", *TINY]
    assert run(*command, "--output", tmp_path) == 0
    assert len(stored(tmp_path, "transfer_fgsm_*")) == 2
    assert len(stored(tmp_path, "fgsm_*")) == 2
    assert list(tmp_path.glob("mnist5k/transfer_fgsm_eps0.2_*.png"))
    assert "from DBX" in capsys.readouterr().out
    assert run("transfer", "--classifiers", "DFX", "--output", tmp_path / "r2", *TINY) == 2
    assert "at least two" in capsys.readouterr().err


def test_a_report_gives_the_worst_case_over_attacks_and_minimum_perturbations(tmp_path, capsys):
    file = linear_victim(tmp_path)
    options = ["--victim-model", file, "--eps", "0.05", "0.3", "--output", tmp_path / "r", *TINY]
    assert run("fgsm", *options) == 0
    assert run("pgd", *options, *QUICK["pgd"]) == 0
    capsys.readouterr()
    assert run("report", "--output", tmp_path / "r") == 0
    output = capsys.readouterr().out
    assert "Worst case over attacks" in output
    assert "minimum perturbation (Linf)" in output


def test_tables_tell_weights_of_one_name_apart(tmp_path, capsys):
    for k in range(2):
        folder = tmp_path / f"m{k}"
        folder.mkdir()
        linear_victim(folder, scale=1.0 + k)
        options = ["--victim-model", folder / "mine.keras", "--output", tmp_path / "r", *TINY]
        assert run("fgsm", *options, "--eps", "0.1", *(["0.2"] if k else [])) == 0
    found = groups(ResultsStore(tmp_path / "r").all(None))
    (group,) = (g for g in found if g.attack == "fgsm")
    assert len(group.victims) == 2
    assert all(name.startswith("mine#") for name in group.victims)
    assert sorted(len(by_value) for _, by_value in group.victims.values()) == [1, 2]


def test_a_model_without_samples_stands_beside_the_classifiers(tmp_path, capsys):
    options = ["--eps", "0.1", "--output", tmp_path / "r", *TINY]
    assert run("fgsm", "--victim-model", linear_victim(tmp_path), *options) == 0
    assert run("fgsm", "--classifiers", "DFX", *options) == 0
    assert run("report", "--output", tmp_path / "r") == 0
    table = (tmp_path / "r" / "mnist5k" / "fgsm_corrected_n4.md").read_text()
    assert 0 < table.index("| DFX |") < table.index("| mine |")


def test_minimum_perturbations_are_the_smallest_successful_eps():
    clean = {"labels": [1, 1, 1, 1], "predictions": [1, 1, 0, 1]}
    by_value = {0.1: {"predictions": [0, 1, 0, 1]}, 0.2: {"predictions": [1, 0, 1, 1]}}
    np.testing.assert_allclose(minimum_perturbations(clean, by_value, True), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(minimum_perturbations(clean, by_value, False), [0.1, 0.2, 0.1, 0.3])


@pytest.mark.parametrize("attack", ["fgsm", "pgd", "mim", "cw", "wbs"])
def test_known_noise_is_one_draw_at_every_step_and_that_of_the_evaluation(attack):
    seen, options = [], {"steps": 3} if "steps" in ATTACKS[attack].defaults("corrected") else {}
    options |= {"statistic": "none"} if attack == "wbs" else {}

    def logits(x, index, seed):
        tf.py_function(lambda s: seen.append(int(s)), [seed], [])
        return tf.reshape(x, (-1, 784))[:, :10] * 3

    plan = make_plan(attack, "mnist5k", "corrected", grid=[0.1], known_noise=True, **options)
    images = mnist5k.load("test", None).spread(4)
    target = Target(logits, 10, lambda x, index, seed: logits(x, index, seed)[tf.newaxis])
    Crafting(build_craft(plan, target), plan, images, images.y, int(noise_seed(0, EVALUATION)), 4).all(0.1)
    assert set(seen) == {int(noise_seed(0, EVALUATION))}


# ---- resumption ----


def test_finished_batches_are_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("deepbayes.experiments.measurements.craft._SAVE_SECONDS", -1)
    monkeypatch.setattr("deepbayes.experiments.measurements.craft._SAVE_SHARE", 0)
    images = mnist5k.load("test", None).spread(10)
    plan, calls = make_plan("noise", "mnist5k", "corrected"), []
    craft = build_craft(plan, Target(lambda x, index, seed: None, 10))

    def counted(x, *rest):
        calls.append(len(x))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return craft(x, *rest)

    stopping, whole = (Crafting(c, plan, images, images.y, 0, 4) for c in (counted, craft))
    partial = tmp_path / "a.partial.npz"
    with pytest.raises(KeyboardInterrupt):
        stopping.all(0.2, partial)
    (kept,) = tmp_path.iterdir()
    resumed, _ = stopping.all(0.2, partial)
    assert len(calls) == 4
    np.testing.assert_array_equal(resumed, whole.all(0.2)[0])
    remove_partial(partial)
    kept.write_bytes(b"damaged")
    np.testing.assert_array_equal(whole.all(0.2, partial)[0], resumed)


def test_cw_goes_on_after_kill_9_to_the_uninterrupted_result(tmp_path):
    command = ["cw", "--dataset", "mnist5k", "--classifiers", "DFX", "--c", "10", "--steps", "150", "--batch-size", "2"]
    command += ["--num-images", "6", "--save", "--output"]
    process = start(*command, tmp_path / "killed")
    wait_for(lambda: list(tmp_path.glob("killed/*/DFX/*.partial.npz")), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (partial,) = tmp_path.glob("killed/*/DFX/*.partial.npz")
    with np.load(partial) as arrays:
        kept = arrays["x_adv"]
    assert 2 <= len(kept) < 6
    assert not list(tmp_path.glob("killed/*/DFX/cw_*.json"))
    for folder in ("killed", "whole"):
        assert run(*command, tmp_path / folder) == 0
    killed, whole = (dict(np.load(next(tmp_path.glob(f"{f}/*/DFX/cw_*.npz")))) for f in ("killed", "whole"))
    np.testing.assert_array_equal(killed["x_adv"][: len(kept)], kept)
    for name in ("x_adv", "logits"):  # several threads may add in another order: rounding, whether killed or not
        np.testing.assert_allclose(killed[name], whole[name], rtol=0, atol=1e-3, err_msg=name)
    assert not partial.exists()


# ---- checks ----


class Digits(Classifier):
    """A linear classifier of the embedded digits; without `gradient` it sees pixels rounded to quarters."""

    def __init__(self, gradient: bool):
        super().__init__("honest" if gradient else "masked", (28, 28, 1), 10)
        self.gradient, self.settings = gradient, {"weights_sha256": str(gradient)}
        self.kernel = tf.constant(20 * digits_kernel(), tf.float32)

    def logits(self, x, index, seed):
        v = x if self.gradient else tf.round(4 * x) / 4
        return tf.reshape(v, (-1, 784)) @ self.kernel


@pytest.mark.parametrize("gradient", [True, False])
def test_checks_flag_a_masked_gradient_and_no_honest_one(gradient, tmp_path):
    context, victim = open_context(settings_of("checks", "--num-images", "20", "--output", tmp_path)), Digits(gradient)
    lines = sanity_checks.check(context, victim, sanity_checks._attacks(context, victim, lambda n: None))
    verdicts = {line.check: line.verdict for line in lines}
    flags = {name for name, verdict in verdicts.items() if verdict == FLAG}
    if gradient:
        assert not flags
        assert list(verdicts.values()).count(PASS) == 10
    else:
        assert {"no gradient is zero", "gradient-free not stronger", "eps 1 leaves about nothing"} <= flags


def test_the_checks_command_writes_a_table_for_each_classifier(tmp_path, capsys, monkeypatch):
    few = lambda dataset, protocol, stochastic: {  # noqa: E731
        name: make_plan("fgsm", dataset, protocol, grid=grid, known_noise=True)
        for name, grid in {
            "fgsm": (0.2,), "pgd": (0.1, 0.2, 0.3), "mim": (0.2,), "twice": (0.2,), "restarts": (0.2,),
            "unbounded": (1.0,), "square": (0.2,), "fresh": (0.2,), "eot": (0.2,),
        }.items()
    }  # fmt: skip
    monkeypatch.setattr(sanity_checks, "plans", few)
    assert run("checks", "--classifiers", "DFX", *TINY, "--output", tmp_path) == 0
    assert "Checks of DFX" in capsys.readouterr().out
    assert list(tmp_path.glob("mnist5k/checks_DFX_*.md"))
    (result,) = stored(tmp_path, "checks")
    assert {line["verdict"] for line in result["lines"]} <= {"pass", "flag", "n/a"}
    assert run("checks", "--classifiers", "DFX", "DBX", *TINY, "--output", tmp_path) == 0
    ends = [r["lines"][-1]["verdict"] for r in stored(tmp_path, "checks") if r["settings"]["victim"] == "DFX"]
    assert "n/a" in ends  # alone: neither replaces the other
    assert len(ends) == len(list(tmp_path.glob("mnist5k/checks_DFX_*.md"))) == 2


# ---- bad input ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pgd", "--steps", "-1"], "pgd --steps must be finite and at least 0"),
        (["pgd", "--steps", "2.5"], "pgd --steps is a whole number"),
        (["pgd", "--step-size", "nan"], "must be finite"),
        (["cw", "--learning-rate", "fast"], "cw --learning-rate is a number"),
        (["onepixel", "--pixels", "1.5"], "whole numbers"),
        (["pgd", "--known-noise", "--eot", "4"], "leave out --noise fresh and --eot"),
        (["mim", "--known-noise", "--noise", "fresh"], "leave out --noise fresh and --eot"),
        (["brightness", "--targeted"], "cannot be aimed at a label"),
        (["detect", "--attack", "fgsm", "--steps", "5"], "fgsm has no option --steps; it takes --loss, --eot"),
        (["detect", "--attack", "cw", "--eps", "0.1"], "cw has no --eps; its budget is --c"),
    ],
)
def test_what_an_attack_does_not_take_is_refused_before_any_work(arguments, message, tmp_path, capsys):
    assert run(*arguments, "--classifiers", "DFX", *TINY, "--output", tmp_path / "r") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("arguments", [["transfer", "--attack", "dance"], ["cw", "--c", "-1"], ["fgsm", "--c", "1"],
                                       ["fgsm", "--seed", "-1"], ["greybox", "--known-noise"]])  # fmt: skip
def test_unknown_attacks_and_budgets_exit_with_2(arguments, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments, "--output", tmp_path / "r")
    assert stopped.value.code == 2


@pytest.mark.parametrize("name", ATTACKS)
def test_the_command_line_has_the_options_of_the_registry(name):
    known = vars(parser().parse_args([name]))
    assert {PREFIX + o.name for o in ATTACKS[name].options} == {n for n in known if n.startswith(PREFIX)}
    assert ATTACKS[name].parameter in known


def test_what_gradient_was_followed_is_part_of_a_results_identity(tmp_path):
    """By default pairs without weight are left out, with the flag or under 2019-code none; DFX has nothing to leave."""
    few = ["--dataset", "mnist5k", "--num-images", "4", "--samples", "2", "--eps", "0.1"]

    def settings(classifier, *flags):
        folder = tmp_path / "_".join(("r", classifier, *flags)).replace("-", "")
        assert run("fgsm", "--classifiers", classifier, *flags, *few, "--output", folder) == 0
        (file,) = folder.glob(f"mnist5k/{classifier}/fgsm*.json")
        return json.loads(file.read_text())["settings"]

    assert settings("GFZ")["gradient_drops"] == DROP
    full = settings("GFZ", "--full-gradient")
    assert full["full_gradient"] is True
    assert "gradient_drops" not in full
    assert changed_options(full)["full_gradient"] == "yes"
    for found in (settings("DFX"), settings("DFX", "--full-gradient"), settings("GFZ", "--protocol", "2019-code")):
        assert not {"gradient_drops", "full_gradient"} & found.keys()
