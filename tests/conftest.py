import base64
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.pop("COLUMNS", None)  # tables are as wide as they need
if "PYTEST_XDIST_WORKER" in os.environ:  # processes share the cores, and one thread adds in one order
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import matplotlib.figure
import pytest

import helpers
from deepbayes.data.registry import DATASETS
from deepbayes.experiments.measurements import craft
from deepbayes.experiments.runs import attack
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.experiments.store.seal import content_sha256
from deepbayes.models import zoo
from deepbayes.models.files import write_json

ROOT = helpers.ROOT


def put(root: Path, content: dict) -> Path:
    """Writes a result's content, changed or not, as a run that had made it would have."""
    file = ResultsStore(root).file(content["settings"])
    write_json(file, content | {"sha256": content_sha256(content)})
    return file


_DRAWN = matplotlib.figure.Figure.savefig
_BLANK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


@pytest.fixture(scope="session", autouse=True)
def nothing_is_drawn():
    """Figures are composed but not rendered, which would take longer than all else of a small command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matplotlib.figure.Figure, "savefig", lambda figure, file, **how: Path(file).write_bytes(_BLANK))
        yield


@pytest.fixture(autouse=True)
def drawn_where_marked(request, monkeypatch):
    if request.node.get_closest_marker("draws"):
        monkeypatch.setattr(matplotlib.figure.Figure, "savefig", _DRAWN)


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


@pytest.fixture(scope="session", autouse=True)
def traced_once():
    """Commands of one process share the shipped classifiers and the attacks on them: tracing takes most of their time.

    Whatever identifies weights and attack is part of the key; attacks that evade detectors are built anew.
    """
    load, build, loaded, built = zoo.load_classifier, craft.build_craft, {}, {}

    def load_classifier(dataset, name, path=None, **options):
        if path is not None:
            return load(dataset, name, path, **options)
        key = zoo.SHIPPED, dataset, name, *sorted((k, v) for k, v in options.items() if v is not None)
        loaded[key] = loaded.get(key) or load(dataset, name, path, **options)
        return loaded[key]

    def build_craft(plan, target):
        if target.detectors:
            return build(plan, target)
        key = plan.attack.name, plan.targeted, *sorted(plan.options.items()), target.logits, target.snapshot
        built[key] = built.get(key) or build(plan, target)
        return built[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "load_classifier", load_classifier)
        patch.setattr(attack, "build_craft", build_craft)
        yield
