import json

import numpy as np
import pytest

from deepbayes.data import mnist5k
from deepbayes.models import zoo
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.models.files import FileError, file_sha256
from helpers import ROOT

pytestmark = pytest.mark.usefixtures("tiny_dataset")
CARD = {"data": {"name": "tiny/train", "unseen": ["tiny"]}}


@pytest.fixture
def saved(tmp_path):
    classifier = zoo.new_classifier("tiny", "GFZ", seed=3)
    file = tmp_path / "GFZ.npz"
    zoo.save_classifier(file, classifier, CARD)
    return classifier, file


def test_weights_come_back_to_float16(saved):
    classifier, file = saved
    for source in (file, file.parent):
        loaded = zoo.load_classifier("tiny", "GFZ", source, samples=2).named_weights()
        for name, variable in classifier.named_weights().items():
            np.testing.assert_array_equal(np.array(variable).astype(np.float16), np.array(loaded[name]))


def test_the_card_says_what_the_file_is(saved):
    card = zoo.read_card(saved[1])
    assert card["parameters"] == saved[0].parameters
    assert card["sha256"] == file_sha256(saved[1])
    assert card["architecture"]["dim_z"] == 64


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(
        FileError,
        match=r"no weights at .*GFY\.npz: train it first, about .* train --dataset tiny",
    ):
        zoo.load_classifier("tiny", "GFY", tmp_path)


def test_damaged_weights_are_named(saved):
    file = saved[1]
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(FileError, match=r"GFZ\.npz is damaged: its sha256"):
        zoo.load_classifier("tiny", "GFZ", file)


def test_a_card_without_json_is_named(saved):
    saved[1].with_suffix(".json").write_text('{"name": ')
    with pytest.raises(FileError, match=r"GFZ\.json is damaged"):
        zoo.load_classifier("tiny", "GFZ", saved[1])


def test_weights_of_another_classifier_are_refused(saved):
    with pytest.raises(FileError, match="holds the weights of GFZ, not of GFY"):
        zoo.load_classifier("tiny", "GFY", saved[1])


def test_weights_of_other_sizes_are_refused(saved):
    with pytest.raises(FileError, match="has sizes"):
        zoo.load_classifier("tiny", "GFZ", saved[1], dim_z=9)


def test_weights_that_saw_the_test_images_are_refused(saved):
    file = saved[1]
    card = json.loads(file.with_suffix(".json").read_text())
    card["data"] = {"name": "mnist/train", "unseen": ["mnist"]}
    file.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(zoo.LeakError, match="trained on mnist/train, which contains the test images of mnist5k"):
        zoo.load_classifier("mnist5k", "GFZ", file)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="unknown classifier 'GFX'; known: GFZ, GFY"):
        zoo.load_classifier("mnist", "GFX")
    with pytest.raises(ValueError, match="unknown data set 'svhn'; known: mnist"):
        zoo.load_classifier("svhn", "GFZ")


def test_another_latent_size_is_another_file():
    assert zoo.weight_file("mnist", "GBZ", dim_z=32).name == "GBZ_z32.npz"
    assert zoo.weight_file("mnist", "GBZ", dim_z=64) == zoo.weight_file("mnist5k", "GBZ")


def test_initial_weights_are_a_function_of_the_seed():
    a, b, c = (zoo.new_classifier("tiny", "GFZ", s).named_weights() for s in (1, 1, 2))
    assert all(np.array_equal(a[n], b[n]) for n in a)
    assert not all(np.array_equal(a[n], c[n]) for n in a)


# ---- the weights that ship ----


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_shipped_card_is_complete(name):
    file = zoo.weight_file("mnist", name)
    card = zoo.read_card(file)
    assert card["data"]["name"] == "mnist5k/train"
    assert card["data"]["images"] == 55_000
    assert set(card["data"]["unseen"]) == {"mnist", "mnist5k"}
    for test, n in (("mnist/test", 10_000), ("mnist5k/test", 5_000)):
        share = card["tests"][test]["accuracy"]
        assert share["n"] == n
        assert share["low"] < share["rate"] < share["high"]
    assert file.stat().st_size <= 6.5e6


def test_shipped_weights_are_small_enough():
    sizes = {f.stem: f.stat().st_size for f in zoo.SHIPPED.rglob("*.npz")}
    logits = {stem: size for stem, size in sizes.items() if stem.endswith("_training_logits")}
    assert sum(sizes.values()) - sum(logits.values()) <= 32e6
    assert max(logits.values()) <= 1.1e6


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_shipped_classifier_is_as_good_as_its_card_says(name):
    """200 embedded digits: within four standard errors of the card's accuracy."""
    images = mnist5k.load("test", None).spread(200)
    card = zoo.read_card(zoo.weight_file("mnist5k", name))
    classifier = zoo.load_classifier("mnist5k", name, samples=2)
    right = 0
    for start in range(0, 200, 50):
        x, index = images.x[start : start + 50], images.index[start : start + 50]
        logits = classifier.logits(x, index, 0).numpy()
        right += np.sum(logits.argmax(axis=1) == images.y[start : start + 50])
    expected = card["tests"]["mnist5k/test"]["accuracy"]["rate"]
    assert right / 200 >= expected - 4 * np.sqrt(expected * (1 - expected) / 200) - 0.02


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_page_on_training_repeats_the_card(name):
    card = zoo.read_card(zoo.weight_file("mnist", name))
    share = card["tests"]["mnist/test"]["accuracy"]
    cell = f"{100 * share['rate']:.2f} ({100 * share['low']:.2f} - {100 * share['high']:.2f})"
    page = (ROOT / "docs" / "results" / "training.md").read_text()
    assert f"| {name} | {card['training']['epochs']} | {cell} |" in page
