"""2019's files in and out, pickles that are code, and the 2019 command lines as they were typed."""

import os
import pickle
import shlex

import numpy as np
import pytest

from deepbayes.data import mnist, plane_frog, safe_pickle
from deepbayes.legacy_port import command_line as legacy
from deepbayes.legacy_port import detection, files
from deepbayes.legacy_port.checkpoints import to_2019, to_classifier
from deepbayes.legacy_port.golden import Golden
from deepbayes.legacy_port.letters import LETTERS
from deepbayes.models.files import FileError
from helpers import GOLDEN, settings_of, tiny

# ---- pickles ----


class Call:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def hidden(thing):
    array = np.empty(1, object)
    array[0] = thing
    return array


class Mine(np.ndarray):
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda trace: Call(os.system, f"touch {trace}"), r"(posix|nt)\.system"),
        (lambda trace: Call(eval, f"open({str(trace)!r}, 'w')"), r"(builtins|__builtin__)\.eval"),
        (lambda trace: {"w": [1, (Call(os.mkdir, str(trace)),)]}, r"(posix|nt)\.mkdir"),
        (lambda trace: hidden(Call(os.system, f"touch {trace}")), "an array of dtype object"),
        (lambda trace: hidden({}), "an array of dtype object"),
        (lambda trace: {1, 2}, "a set|builtins.set|__builtin__.set"),
        (lambda trace: np.zeros(2, [("a", "f4"), ("b", "O")]), "dtype"),
        (lambda trace: np.zeros(2, "M8[s]"), "an array of dtype datetime64"),
        (lambda trace: np.zeros(2).view(Mine), r"test_legacy_port\.Mine"),
    ],
)
def test_a_pickle_that_is_more_than_data_is_refused_by_name_and_does_nothing(tmp_path, protocol, make, name):
    trace, file = tmp_path / "trace", tmp_path / "checkpoint_0.pkl"
    file.write_bytes(pickle.dumps(make(trace), protocol=protocol))
    with pytest.raises(FileError, match=rf"checkpoint_0\.pkl is refused: .*({name})"):
        files.read_checkpoint(file)
    assert not trace.exists()


def test_opcodes_cannot_reach_further_than_names(tmp_path):
    """Written by hand: numpy.ndarray called, a codec other than latin1, a persistent object, an array subclass."""
    streams = {
        b"cnumpy\nndarray\n((I3\ntU\x01OtR.": "truncated or not a pickle",
        b"c_codecs\nencode\n(U\x01aU\x05rot13tR.": "the codec 'rot13'",
        b"Pevil\n.": "the persistent object 'evil'",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntU\x01btR.": "a subclass",
    }
    for stream, message in streams.items():
        (tmp_path / "f.pkl").write_bytes(stream)
        with pytest.raises(safe_pickle.UnreadablePickle, match=message):
            safe_pickle.load(tmp_path / "f.pkl")


def test_a_state_that_claims_more_than_the_memory_holds_reads_none_of_it(tmp_path):
    """numpy's own __setstate__ would take the item size 4096 of eight bytes, and show what lies behind them."""
    state = b"(I3\nU\x01|NNNI4096\nI1\nI0\ntb"
    dtype = b"cnumpy\ndtype\n(U\x02S1I00\nI01\ntR" + state
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I8\nt"
    (tmp_path / "f.pkl").write_bytes(array + dtype + b"I00\nU\x08abcdefghtb.")
    assert safe_pickle.load(tmp_path / "f.pkl", encoding="latin1").nbytes == 8


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_comes_back_as_it_was(tmp_path, protocol):
    content = {
        "big-endian": np.arange(6, dtype=">f4").reshape(2, 3)[:, ::2],
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 3)),
        "flags": np.array([True, False]),
        "words": np.array(["a", "bc"]),
        "scalars": (np.float64(2.5), np.int64(3), np.bool_(True)),
        "plain": [1, -2.5, "text", None, b"bytes", b"", True, {"deep": (1, [2])}],
    }
    (tmp_path / "f.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    found = safe_pickle.load(tmp_path / "f.pkl")
    assert found["scalars"] == content["scalars"]
    assert found["plain"] == content["plain"]
    for name in ("big-endian", "fortran", "empty", "flags", "words"):
        np.testing.assert_array_equal(found[name], content[name])
        assert found[name].dtype.newbyteorder("=") == content[name].dtype.newbyteorder("=")


def test_what_is_written_names_what_numpy_1_has(tmp_path):
    file = tmp_path / "f.pkl"
    files.write_pickle(file, {"w": np.arange(3, dtype=np.float32), "rate": np.float64(1.5), "list": [1, "a", None]})
    assert b"numpy._core" not in file.read_bytes()
    assert file.read_bytes()[:2] == b"\x80\x03"  # Python 3.6 reads it
    found = safe_pickle.load(file)
    np.testing.assert_array_equal(found["w"], np.arange(3, dtype=np.float32))


# ---- checkpoints ----


@pytest.mark.parametrize(
    "stem", [*(f"mnist_{n}" for n in LETTERS.values()), "plane_frog_GFY", "fusion_GBZ", "fusion_DBX"]
)
def test_a_checkpoint_written_and_read_gives_bit_equal_logits(tmp_path, stem):
    g = Golden(GOLDEN / f"{stem}.npz")
    files.write_pickle(tmp_path / "checkpoint_0.pkl", to_2019(g.classifier))
    again = to_classifier(
        files.read_checkpoint(tmp_path / "checkpoint_0.pkl"), g.dataset, log_prior_y=float(np.log(0.1))
    )
    np.testing.assert_array_equal(again.logits(g.x, g.class_noise), g.classifier.logits(g.x, g.class_noise))
    assert again.factorisation.name == g.classifier.factorisation.name


def test_every_wrong_variable_is_listed(tmp_path):
    weights = Golden(GOLDEN / "mnist_GFZ.npz").folder("weights")
    weights.pop("enc_mlp_l1_b:0")
    weights["extra:0"] = np.zeros(3)
    weights["gen_l0_b:0"] = np.zeros(99, np.float32)
    with pytest.raises(ValueError, match=r"missing enc_mlp_l1_b:0; extra extra:0; gen_l0_b:0 has shape \(99,\)"):
        to_classifier(weights, "mnist", "GFZ")


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_truncated_pickle_is_named(tmp_path, keep):
    file = tmp_path / "checkpoint_0.pkl"
    files.write_pickle(file, {"w": np.zeros(100)})
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FileError, match=r"checkpoint_0\.pkl: truncated or not a pickle"):
        files.read_checkpoint(file)


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        (files.read_checkpoint, [1, 2], "no 2019 checkpoint"),
        (files.read_checkpoint, {"w": 3.0}, "no 2019 checkpoint"),
        (files.read_detection, {"TP_kl": 1.0}, "no 2019 detection file"),
        (files.read_index, [[1, 2]], "no 2019 index file"),
        (files.read_index, [0.5], "no 2019 index file"),
        (lambda f: files.read_attack(f, (8, 8, 1)), [1, 2], "no 2019 attack file"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, reader, content, message):
    files.write_pickle(tmp_path / "f.pkl", content)
    with pytest.raises(FileError, match=message):
        reader(tmp_path / "f.pkl")
    with pytest.raises(FileError, match="does not exist"):
        reader(tmp_path / "none.pkl")


def test_everything_wrong_with_an_attack_file_is_listed(tmp_path):
    one_hot = np.eye(3)[[0, 1, 2, 0]]
    files.write_pickle(tmp_path / "f.pkl", [np.zeros((4, 8, 8, 1)), one_hot[:3], one_hot * 2, np.zeros((4, 2))])
    with pytest.raises(FileError) as error:
        files.read_attack(tmp_path / "f.pkl", (8, 8, 1))
    for part in ("labels of shape (3, 3) are not one-hot for 4 images", "attacked labels", "logits have shape (4, 2)"):
        assert part in str(error.value)
    files.write_pickle(tmp_path / "f.pkl", [np.full((4, 8, 8, 1), 255.0), one_hot, one_hot, np.zeros((4, 3))])
    with pytest.raises(FileError, match="divide bytes by 255"):
        files.read_attack(tmp_path / "f.pkl", (8, 8, 1))


def test_an_attack_file_comes_back(tmp_path):
    random = np.random.default_rng(0)
    attack = files.AttackFile(
        random.uniform(size=(4, 8, 8, 1)).astype(np.float32), np.array([0, 1, 2, 0]), np.array([1, 1, 0, 2]),
        random.normal(size=(4, 3)).astype(np.float32),
    )  # fmt: skip
    files.write_attack(tmp_path / "f.pkl", attack)
    again = files.read_attack(tmp_path / "f.pkl", (8, 8, 1))
    for name, value in vars(attack).items():
        np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
    assert safe_pickle.load(tmp_path / "f.pkl")[1].shape == (4, 3)  # one-hot, as in 2019


def test_a_report_without_a_success_is_not_a_number_but_no_error():
    logits, y = np.eye(3, dtype=np.float32)[np.arange(30) % 3] * 5, np.arange(30) % 3
    fitted = detection.detectors(logits, y)
    found = detection.report(fitted, logits[:6], logits[:6], y[:6], np.zeros((6, 8, 8, 1)), transfer=False)
    assert found["success_rate"] == 0.0
    assert np.isnan(found["TP_kl"])


# ---- command lines ----


@pytest.fixture
def at(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("DEEPBAYES_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("DEEPBAYES_DATA", raising=False)
    (tmp_path / "test_attacks").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments) -> int:
    return legacy.main([str(a) for a in arguments])


def test_the_chain_of_2019_leaves_its_files_where_2019_did(at, mnist_dir, monkeypatch, capsys):
    ours = ["--data-dir", mnist_dir]
    assert run("vae_mnist", "D", "--epochs", "2", "--train-images", "300", *ours) == 0
    assert (at / "save/mnist_conv_vae_D_64/checkpoint_0.pkl").exists()
    monkeypatch.chdir(at / "test_attacks")
    victim = ["--data", "mnist", "--victim", "bayes_K10_D"]
    assert run("attack", *victim, "--attack", "fgsm", "--eps", "0.1", "--save", "--num-images", "100", *ours) == 0
    attack_file = at / "test_attacks/raw_attack_results/bayes_K10_D_cnn/mnist_fgsm_eps0.10_untargeted.pkl"
    attacked = files.read_attack(attack_file, (28, 28, 1))
    assert len(attacked.y) == 100
    detect = ["detect_attacks_logp", "--data", "mnist", "--attack", "fgsm_eps0.10", "--victim", "bayes_K10_D_cnn"]
    detect += ["--guard", "bayes_K10_D", "--save", "--calibration-images", "300", *ours]
    assert run(*detect) == 0
    file = "mnist_bayes_K10_D_cnn_fgsm_eps0.10_untargeted.pkl"
    found = files.read_detection(at / "test_attacks/detection_results/bayes_K10_D_cnn" / file)
    success = attacked.logits.argmax(axis=1) != attacked.y
    assert found["success_rate"] == pytest.approx(100 * success.mean())
    assert found["mean_dist_li"] == pytest.approx(0.1, abs=1e-6)
    assert np.isnan(found["TP_logpx"])  # DFX has no density
    assert 0 <= found["TP_kl"] <= 100
    assert run("extract_index", "bayes_K10_D", "mnist", *ours) == 0
    index = files.read_index(at / "test_attacks/data_ind/mnist_bayes_K10_D_cnn.pkl")
    assert 500 < len(index) < 10_000
    shown = capsys.readouterr()
    assert (
        "this is: ./run_experiments.sh train --dataset mnist --classifiers DFX --protocol 2019-code --epochs 2"
        in shown.err
    )
    assert "this is: ./run_experiments.sh fgsm --dataset mnist --classifiers DFX --protocol 2019-code" in shown.err
    assert "weights: " + str(at / "save") in shown.err
    assert "TP_logpx             N/A" in shown.out


def test_the_modern_command_is_printed_as_a_shell_reads_it(at, monkeypatch, capsys):
    monkeypatch.setattr("deepbayes.data.download.URL", "file:///nowhere/")
    folder = at / "my data; $HOME"
    folder.mkdir()
    assert run("extract_index", "bayes_K10_D", "mnist", "--data-dir", folder) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("this is: "))
    asked = settings_of(*shlex.split(line)[3:])
    assert (asked.data_dir, asked.classifiers, asked.batch_size) == (folder, ("DFX",), 100)
    assert asked.classifier_options == {"samples": 10}


def test_without_a_checkpoint_the_shipped_classifier_is_taken_and_named(at, mnist_dir, capsys):
    command = [
        "attack",
        "-D",
        "mnist",
        "-V",
        "bayes_K10_D",
        "-A",
        "fgsm",
        "-e",
        "0.3",
        "--num-images",
        "20",
        "-S",
        "-T",
    ]
    assert run(*command, "-B", "10", "--data-dir", mnist_dir) == 0
    assert "taking the DFX that ships" in capsys.readouterr().err
    attacked = files.read_attack(at / "raw_attack_results/bayes_K10_D_cnn/mnist_fgsm_eps0.30_targeted.pkl", (28, 28, 1))
    assert np.all(attacked.y != attacked.y_attacked)


def test_a_guard_looks_at_another_victims_file_whatever_the_batch(at, mnist_dir, capsys):
    ours = ["--data-dir", mnist_dir]
    command = ["attack", "-D", "mnist", "-V", "bayes_K10_D", "-A", "fgsm", "-e", "0.3", "-S", *ours]
    assert run(*command, "--num-images", "50", "-B", "20") == 0
    command = [
        "detect_attacks_logp",
        "-V",
        "bayes_K10_D_cnn",
        "-G",
        "bayes_K10_E",
        "-A",
        "fgsm_eps0.30",
        "-B",
        "64",
        "-S",
    ]
    assert run(*command, *ours) == 0
    file = "mnist_bayes_K10_D_cnn_fgsm_eps0.30_untargeted.pkl"
    found = files.read_detection(at / "detection_results/bayes_K10_E_cnn" / file)
    assert found["success_rate_victim"] < 100 * 39 / 40  # not every image that fools DFX fools DBX
    assert found["mean_dist_li"] == pytest.approx(0.3, abs=1e-6)
    assert "this is: ./run_experiments.sh detect --dataset mnist --classifiers DFX" in capsys.readouterr().err


def test_a_2019_file_of_an_attack_yet_to_be_ported_is_judged(at, mnist_dir):
    images = mnist.load("test", mnist_dir).take(slice(40))  # 2019's files begin with the first image
    x = np.clip(images.x + np.random.default_rng(0).uniform(-0.3, 0.3, images.x.shape), 0, 1).astype(np.float32)
    logits = np.eye(10, dtype=np.float32)[(images.y + (np.arange(40) < 30)) % 10]  # 30 fooled the victim
    file = at / "raw_attack_results/bayes_K10_D_cnn/mnist_pgd_eps0.10_untargeted.pkl"
    files.write_attack(file, files.AttackFile(x, images.y, images.y, logits))
    command = ["detect_attacks_logp", "--attack", "pgd_eps0.10", "-V", "bayes_K10_D_cnn", "-G", "bayes_K10_D", "-S"]
    assert run(*command, "--data-dir", mnist_dir) == 0
    found = files.read_detection(
        at / "detection_results/bayes_K10_D_cnn/mnist_bayes_K10_D_cnn_pgd_eps0.10_untargeted.pkl"
    )
    assert found["success_rate"] == 75.0
    assert found["mean_dist_li"] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attack", "--data", "mnist", "--attack", "fgsm"], "'bnn_K10': of 2019's victims bayes_K10_A to bayes_K10_G"),
        (["attack", "--data", "cifar10", "--attack", "fgsm", "--victim", "fea_K10_F_mid"], "not ported yet"),
        (["attack_superwhite", "--data", "mnist", "--lbd", "0.1"], "'bnn_K10': of 2019's victims bayes_K10_A"),
        (["vae_cifar_fea", "E", "mid"], "the classifiers on VGG16 features are not ported yet"),
        (["detect_attacks_logp"], "mnist_fgsm_eps0.10_untargeted.pkl does not exist; make it"),
        (["extract_index", "bayes_K10_A", "plane_frog"], "CIFAR-10, which plane_frog needs, is not at hand"),
    ],
)
def test_what_is_not_there_is_said(at, arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(plane_frog, "URL", f"file://{at}/nowhere.tar.gz")
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(at.rglob("*.pkl"))


def test_a_victim_that_neither_stands_there_nor_ships_says_how_to_train_it(at, mnist_dir, capsys):
    command = ["attack", "--data", "mnist", "-A", "fgsm", "--victim", "bayes_K10_Z32_A", "--num-images", "20"]
    assert run(*command, "--data-dir", mnist_dir) == 2
    error = capsys.readouterr().err
    assert "no GFZ of these sizes ships for mnist" in error
    assert "taking the" not in error


def test_positions_of_an_index_file_are_those_of_the_test_set_whatever_the_batch(at, mnist_dir):
    """Where a last partial batch is dropped, the images that remain are spread over the test set."""
    assert run("extract_index", "bayes_K10_D", "mnist", "-B", "5001", "--data-dir", mnist_dir) == 0
    index = files.read_index(at / "data_ind/mnist_bayes_K10_D_cnn.pkl")
    images = mnist.load("test", mnist_dir).spread(5001)
    assert set(index) <= set(images.index)
    assert len(index) > 0.95 * 5001


def test_too_few_training_images_for_thresholds_are_said_before_the_images_are_looked_at(at, mnist_dir, capsys):
    images = mnist.load("test", mnist_dir).take(slice(20))
    file = at / "raw_attack_results/bayes_K10_D_cnn/mnist_fgsm_eps0.10_untargeted.pkl"
    files.write_attack(file, files.AttackFile(images.x, images.y, images.y, np.eye(10, dtype=np.float32)[images.y]))
    command = ["detect_attacks_logp", "-V", "bayes_K10_D_cnn", "-G", "bayes_K10_D", "--calibration-images", "20"]
    assert run(*command, "--data-dir", mnist_dir) == 2
    assert "bayes_K10_D: no training images of class" in capsys.readouterr().err


def test_a_checkpoint_of_another_classifier_is_refused(at, mnist_dir, capsys):
    files.write_pickle(at / "save/mnist_conv_vae_A_64/checkpoint_0.pkl", to_2019(tiny("DFX")))
    command = ["attack", "--data", "mnist", "--attack", "fgsm", "--victim", "bayes_K10_A", "--num-images", "20"]
    assert run(*command, "--data-dir", mnist_dir) == 2
    error = capsys.readouterr().err
    assert "checkpoint_0.pkl: the variables fit no classifier; closest is GFZ: missing" in error
