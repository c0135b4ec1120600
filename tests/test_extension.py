"""A data set and a classifier that nobody here knows, each registered by one call, go through every command.

The images are 8x8 with three classes: a bright bar at the top, in the middle or at the bottom, with noise. The
classifier is a linear one whose input is disturbed by noise of its own: stochastic, with samples, without a density.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepbayes.data.checks import Images, pixel_sha256
from deepbayes.data.registry import DATASETS, Dataset, register_dataset
from deepbayes.experiments.command_line.main import main
from deepbayes.models.classifier import POSTERIOR, SAMPLES, Classifier, Cost
from deepbayes.models.recipes import RECIPES, Recipe, register_recipe
from deepbayes.models.registry import BASELINE, CLASSIFIERS, ClassifierOption, ClassifierSpec, register_classifier

SHAPE, CLASSES = (8, 8, 1), 3
_SPREAD = 0.05


def load(part: str, data_dir) -> Images:
    n = 300 if part == "train" else 90
    random = np.random.default_rng([7, part == "train"])
    y = np.arange(n) % CLASSES
    x = 0.25 * random.uniform(size=(n, *SHAPE)).astype(np.float32)
    for k, label in enumerate(y):
        x[k, 3 * label : 3 * label + 2] += 0.6
    return Images(x, y, np.arange(n), f"bars/{part}", pixel_sha256(x))


class NoisyLinear(Classifier):
    """logits = W (x + s e) + b, e standard normal by (seed, position); of several samples the mean posterior."""

    stochastic = True
    signals = frozenset({POSTERIOR, SAMPLES})

    def __init__(self, name, shape, classes, samples: int = 3):
        super().__init__(name, shape, classes)
        self.dense = keras.layers.Dense(classes)
        self.dense.build((None, int(np.prod(shape))))
        self.samples, self.settings = samples, {"samples": samples}

    def sample_logits(self, x, index, seed):
        def noise(i):
            return tf.random.stateless_normal((self.samples, *self.shape), tf.stack([tf.cast(seed, tf.int32), i]))

        drawn = tf.map_fn(noise, tf.cast(index, tf.int32), fn_output_signature=tf.float32)
        disturbed = tf.reshape(x[:, None] + _SPREAD * drawn, (-1, int(np.prod(self.shape))))
        logits = tf.reshape(self.dense(disturbed), (-1, self.samples, self.classes))
        return tf.transpose(tf.nn.log_softmax(logits), (1, 0, 2))

    def logits(self, x, index, seed):
        return tf.reduce_logsumexp(self.sample_logits(x, index, seed), axis=0) - np.log(self.samples)

    def training_terms(self, x, y, seed):
        logits = self.logits(x, tf.range(x.shape[0]), seed[1])
        return {"log p(y|x)": -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)}

    def named_weights(self):
        return {f"dense/{v.name}": v for v in self.dense.weights}

    @property
    def cost(self):
        return Cost(bytes=4 * self.samples * 64)


@pytest.fixture(scope="module", autouse=True)
def registered():
    """One call for the data set, one for the classifier, and how it is trained."""
    before = dict(DATASETS), dict(CLASSIFIERS), dict(RECIPES)
    register_dataset(
        Dataset(
            name="bars", shape=SHAPE, classes=CLASSES, split="300 and 90 images", source="this test", licence="MIT",
            unseen=("bars",), loader=load, eps_grid=(0.1, 0.2, 0.4), class_names=("top", "middle", "bottom"),
        )
    )  # fmt: skip
    samples = ClassifierOption("samples", "draws", default=3, metavar="K")
    register_classifier(ClassifierSpec("noisy-linear", BASELINE, NoisyLinear, options=(samples,)))
    register_recipe(Recipe(epochs=20, learning_rate=0.02, batch_size=30), "noisy-linear", "bars")
    yield
    for registry, content in zip((DATASETS, CLASSIFIERS, RECIPES), before, strict=True):
        registry.clear()
        registry.update(content)


@pytest.fixture(scope="module")
def store(tmp_path_factory, registered):
    """A results store in which both classifiers have been trained."""
    folder = tmp_path_factory.mktemp("bars")
    assert run(folder, "train", "--classifiers", "noisy-linear", "cnn") == 0
    return folder


def run(store, command, *arguments) -> int:
    return main([command, "--dataset", "bars", "--output", str(store), *map(str, arguments)])


def results(store, pattern):
    return [json.loads(f.read_text()) for f in store.glob(f"bars/{pattern}.json")]


def test_it_is_trained_by_its_recipe(store):
    card = json.loads((store / "training" / "bars" / "noisy-linear.json").read_text())
    assert card["training"]["epochs"] == 20
    assert card["tests"]["bars/test"]["accuracy"]["rate"] > 0.9
    assert (store / "training" / "bars" / "curves.png").exists()


@pytest.mark.parametrize(
    ("arguments", "pattern", "count"),
    [
        (["evaluate"], "noisy-linear/clean-*", 1),
        (["fgsm"], "noisy-linear/fgsm_*", 3),
        (["pgd", "--eps", 0.2, "--steps", 3, "--restarts", 2], "noisy-linear/pgd_*", 1),
        (["wbs", "--eps", 0.2, "--steps", 3, "--statistic", "kl"], "noisy-linear/wbs_*", 1),
        (["cw", "--c", 1, "--steps", 5], "noisy-linear/cw_*", 1),
        (["spsa", "--eps", 0.2, "--steps", 2, "--directions", 4], "noisy-linear/spsa_*", 1),
        (["onepixel", "--pixels", 1, "--population", 5, "--generations", 2], "noisy-linear/onepixel_*", 1),
        (["detect", "--eps", 0.2], "noisy-linear/detect_fgsm_*", 1),
        (["ood", "--against", "noise"], "noisy-linear/ood_*", 1),
        (["greybox", "--attack", "fgsm", "--eps", 0.2], "noisy-linear/greybox_*", 1),
        (["blackbox", "--attack", "fgsm", "--eps", 0.2, "--seeds-per-class", 2], "noisy-linear/blackbox_*", 1),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_command_takes_it(store, arguments, pattern, count):
    command, *others = arguments
    assert run(store, command, "--classifiers", "noisy-linear", "--num-images", 12, *others) == 0
    assert len(results(store, pattern)) >= count


def test_it_stands_beside_the_others_in_one_table(store, tmp_path, capsys):
    """A classifier from outside, the baseline and a user's Keras model: one table, one figure, one matrix."""
    net = keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(CLASSES)])
    net.save(tmp_path / "mine.keras")
    mixed = ["--classifiers", "noisy-linear", "cnn", "--victim-model", tmp_path / "mine.keras", "--num-images", 12]
    assert run(store, "fgsm", "--eps", 0.2, *mixed) == 0
    shown = capsys.readouterr().out
    assert all(f"│ {name} " in shown for name in ("noisy-linear", "cnn", "mine"))
    assert run(store, "transfer", "--attack", "fgsm", "--eps", 0.2, *mixed) == 0
    moved = results(store, "noisy-linear/transfer_fgsm_*")
    assert {r["settings"]["through"]["source"] for r in moved} == {"cnn", "mine"}
    assert results(store, "mine/transfer_*")[0]["settings"].keys().isdisjoint({"samples"})


def test_detectors_without_a_density_are_not_applicable(store):
    assert run(store, "detect", "--classifiers", "noisy-linear", "--num-images", 12, "--eps", 0.4) == 0
    assert all(r["detectors"].keys() == {"kl", "tv"} for r in results(store, "noisy-linear/detect_*"))


def test_checks_take_the_data_sets_eps(store, capsys):
    assert run(store, "checks", "--classifiers", "noisy-linear", "--num-images", 6) == 0
    shown = capsys.readouterr().out
    assert "eps 0.1" in shown
    assert "eps 0.4" in shown


def test_a_report_shows_it(store, capsys):
    assert run(store, "report") == 0
    assert "noisy-linear" in capsys.readouterr().out


def test_without_a_recipe_training_says_what_to_give(store, capsys, registered):
    del RECIPES["bars", "noisy-linear"]
    try:
        assert run(store, "train", "--classifiers", "noisy-linear") == 2
        assert "noisy-linear has no recipe for bars: give --epochs and --learning-rate" in capsys.readouterr().err
    finally:
        register_recipe(Recipe(epochs=20, learning_rate=0.02, batch_size=30), "noisy-linear", "bars")


def test_weights_of_another_family_are_refused(store, tmp_path, capsys):
    folder = store / "training" / "bars"
    for end in ("npz", "json"):
        (tmp_path / f"noisy-linear.{end}").write_bytes((folder / f"cnn.{end}").read_bytes())
    assert run(store, "fgsm", "--classifiers", "noisy-linear", "--weights", tmp_path) == 2
    assert "holds the weights of cnn, not of noisy-linear" in capsys.readouterr().err
