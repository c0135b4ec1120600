import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, and one thread adds in one order
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import pytest

import helpers
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.experiments.store.seal import content_sha256
from deepbayes.models.files import write_json

ROOT = helpers.ROOT


def put(root: Path, content: dict) -> Path:
    """Writes a result's content, changed or not, as a run that had made it would have."""
    file = ResultsStore(root).file(content["settings"])
    write_json(file, content | {"sha256": content_sha256(content)})
    return file


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
