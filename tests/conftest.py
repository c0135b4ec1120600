import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, and one thread adds in one order
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.experiments.store.seal import content_sha256
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import write_json

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


def tiny(name: str, **options) -> DeepBayes:
    """A classifier small enough for every test, with random weights."""
    import keras

    keras.utils.set_random_seed(7)
    return DeepBayes(FACTORISATIONS[name], ARCHITECTURES["tiny"], **options)


def tiny_images(n: int, seed: int = 0):
    """n images for `tiny`, float32 in [0, 1], and labels."""
    random = np.random.default_rng(seed)
    return random.uniform(size=(n, 8, 8, 1)).astype(np.float32), random.integers(0, 3, n)


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
def no_data_at_hand(monkeypatch, tmp_path):
    """No data set but the embedded one, and none of the user's settings."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for variable in ("DEEPBAYES_DATA", "DEEPBAYES_RESULTS", "DEEPBAYES_REQUIRE_GPU"):
        monkeypatch.delenv(variable, raising=False)
