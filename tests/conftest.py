import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, and one thread adds in one order
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import helpers
import pytest
from deepbayes.data.registry import DATASETS

ROOT = helpers.ROOT


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with MNIST that DEEPBAYES_DATA names."""
    folder = os.environ.get("DEEPBAYES_DATA")
    if not folder or not (Path(folder) / "mnist.npz").exists():
        pytest.skip("needs MNIST: set DEEPBAYES_DATA to a folder with mnist.npz")
    return Path(folder)


@pytest.fixture
def tiny_dataset(monkeypatch):
    """The data set "tiny", known to every command for one test."""
    monkeypatch.setitem(DATASETS, helpers.TINY.name, helpers.TINY)


@pytest.fixture
def no_data_at_hand(monkeypatch, tmp_path):
    """No data set but the embedded one, and none of the user's settings."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for variable in ("DEEPBAYES_DATA", "DEEPBAYES_RESULTS", "DEEPBAYES_REQUIRE_GPU"):
        monkeypatch.delenv(variable, raising=False)
