"""The data sets by name: what is said of each, and how another is added from outside."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from deepbayes.data import registry
from deepbayes.data.checks import DataError, Images
from deepbayes.data.registry import DATASETS, Dataset, register_dataset


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_described_and_tested_on_itself(name):
    d = DATASETS[name]
    assert d.name == name
    assert name in d.unseen
    assert d.source
    assert d.licence
    assert list(d.eps_grid) == sorted(d.eps_grid)
    assert len(d.class_names) == len(set(d.class_names)) == d.classes
    assert DATASETS[d.weights_of].shape == d.shape
    assert all(DATASETS[s].shape == d.shape and s != name for s in d.strange)
    assert f"{d.test_images:,}" in d.split or name == "mnist5k"
    assert f"{d.training_images:,}" in d.split


def test_whose_weights_and_whose_images_are_strange_are_as_they_were():
    assert {n: DATASETS[n].weights_of for n in DATASETS if DATASETS[n].weights_of != n} == {"mnist5k": "mnist"}
    assert {n: DATASETS[n].strange for n in DATASETS if DATASETS[n].strange} == {
        "mnist": ("fashion_mnist",),
        "mnist5k": ("fashion_mnist",),
    }
    assert {n: DATASETS[n].detector_aware_eps for n in DATASETS} == {
        "mnist": (0.2,), "mnist5k": (0.2,), "fashion_mnist": (0.2,), "plane_frog": (0.1,)
    }  # fmt: skip


# ---- from outside ----


def load(part, data_dir):
    x = np.full((6, 8, 8, 1), 0.5, np.float32)
    return Images(x, np.arange(6) % 3, np.arange(6), f"blobs/{part}", "0" * 64)


BLOBS = Dataset(
    name="blobs",
    shape=(8, 8, 1),
    classes=3,
    split="6 and 6",
    source="made here",
    licence="none",
    unseen=("blobs",),
    loader=load,
    eps_grid=(0.1,),
)


@pytest.fixture
def registered(monkeypatch):
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "DATASETS", dict(DATASETS))
    return registry


def test_a_data_set_of_a_callable_is_registered_once(registered):
    assert registered.register_dataset(BLOBS) is BLOBS
    assert registered.DATASETS["blobs"].load("test").name == "blobs/test"
    assert BLOBS.weights_of == "blobs"
    assert (BLOBS.strange, BLOBS.detector_aware_eps, BLOBS.class_names) == ((), (), ())
    with pytest.raises(DataError, match=r"'blobs': the name is taken \(mnist, .*blobs, .*; choose another"):
        registered.register_dataset(BLOBS)
    with pytest.raises(DataError, match="'Blobs': the name is taken"):
        registered.register_dataset(replace(BLOBS, name="Blobs"))


def test_a_loader_may_be_a_modules_name(registered):
    mine = registered.register_dataset(
        replace(DATASETS["mnist5k"], name="mine", loader="deepbayes.data.mnist5k", unseen=("mine",))
    )
    assert len(mine.load("test")) == 5000


def test_what_a_loader_from_outside_gives_is_checked():
    def wrong(part, data_dir):
        return replace(load(part, data_dir), y=np.full(6, 3))

    with pytest.raises(DataError, match=r"blobs/test: labels run from 3 to 3, not 0\.\.2"):
        replace(BLOBS, loader=wrong).load("test")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "a.b", "-a", "_a", "a\n", "ä", "a" * 65, "$(x)"])
def test_names_that_are_unsafe_in_a_path_are_refused(name, registered):
    with pytest.raises(DataError, match="a name is 1 to 64 letters, digits, _ and -"):
        registered.register_dataset(replace(BLOBS, name=name))
    assert name not in registered.DATASETS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "mnist"}, "'mnist': the name is taken"),
        ({"name": "MNIST"}, "'MNIST': the name is taken"),
        ({"name": "noise"}, "the name is taken"),
        ({"name": "training"}, "the name is taken"),
        ({"shape": (8, 8)}, r"its shape is height, width and channels, not \(8, 8\)"),
        ({"shape": (8, 0, 1)}, "its shape is height, width and channels"),
        ({"classes": 1}, "1 classes leave nothing to classify"),
        ({"class_names": ("a", "b")}, "2 class names for 3 classes"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(changes, message, registered):
    before = dict(registered.DATASETS)
    with pytest.raises(DataError, match=message):
        registered.register_dataset(replace(BLOBS, **changes))
    assert before == registered.DATASETS


@given(st.text("aZ09_-./\\ $*ä\n", max_size=70))
def test_no_registered_name_leaves_its_folder(name):
    registry_before = dict(DATASETS)
    try:
        register_dataset(replace(BLOBS, name=name))
    except DataError:
        return
    finally:
        DATASETS.clear()
        DATASETS.update(registry_before)
    assert (ROOT / name).resolve().parent == ROOT
    assert name.isascii()
    assert not set(name) & set("/\\. $'\"[]{}*?\n")


def test_the_registry_imports_no_array_library():
    code = "import sys, deepbayes.data.registry; print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
