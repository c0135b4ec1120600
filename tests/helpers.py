"""What several test files set up: commands and their results, victims, and classifiers and a data set that take
milliseconds."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

from deepbayes.data import mnist5k
from deepbayes.data.checks import Images, from_pixels
from deepbayes.data.registry import Dataset
from deepbayes.experiments.command_line import main
from deepbayes.experiments.command_line.parser import parser
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.classifier import DeepBayesClassifier
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.model import DeepBayes

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"

# ---- small classifiers and images ------------------------------------------------------------------------------------


def tiny(name: str, **options) -> DeepBayes:
    """A model small enough for every test, with random weights."""
    keras.utils.set_random_seed(7)
    return DeepBayes(FACTORISATIONS[name], ARCHITECTURES["tiny"], **options)


def tiny_classifier(name: str, **options) -> DeepBayesClassifier:
    """`tiny` as what is trained and attacked."""
    return DeepBayesClassifier(tiny(name, **options))


def tiny_images(n: int, seed: int = 0):
    """n images for `tiny`, float32 in [0, 1], and labels."""
    random = np.random.default_rng(seed)
    return random.uniform(size=(n, 8, 8, 1)).astype(np.float32), random.integers(0, 3, n)


TINY = Dataset(
    name="tiny", shape=(8, 8, 1), classes=3, split="90 training and 30 test images", source="drawn by this module",
    licence="none needed", unseen=("tiny",), loader="helpers", eps_grid=(0.1, 0.2, 0.3),
)  # fmt: skip
"""A data set that the fixture `tiny_dataset` registers for one test."""


def load(part: str, data_dir: Path | None) -> Images:
    """The loader of TINY: random bytes, in which one bright row says the label."""
    random, n = np.random.default_rng(0 if part == "train" else 1), 90 if part == "train" else 30
    y = np.arange(n) % 3
    pixels = random.integers(0, 100, (n, 8, 8), dtype=np.uint8)
    pixels[np.arange(n), 2 * y] += 150
    return from_pixels(pixels, y, f"tiny/{part}")


def linear_victim(folder: Path, scale=1.0, activation=None, classes=10, shape=(28, 28, 1)) -> Path:
    """mine.keras: a linear classifier of digits by ridge regression on 1,000 of the embedded ones, its logits times
    `scale`."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes, activation)])
    if shape == (28, 28, 1):
        model.layers[-1].kernel.assign(digits_kernel()[:, :classes] * scale)
    model.save(folder / "mine.keras")
    return folder / "mine.keras"


def digits_kernel() -> np.ndarray:
    """(784, 10): the ridge regression of one-hot labels on pixels."""
    images = mnist5k.load("test", None).spread(1000)
    x, targets = images.x.reshape(1000, -1), np.eye(10)[images.y]
    return np.linalg.solve(x.T @ x + 10 * np.eye(784), x.T @ targets)


# ---- commands --------------------------------------------------------------------------------------------------------


def run(*arguments) -> int:
    """The exit code of a command line."""
    return main.main([str(a) for a in arguments])


def settings_of(*arguments) -> RunSettings:
    """What a command line asks for."""
    return run_settings(parser().parse_args([str(a) for a in arguments]))


def results(folder: Path, pattern: str, victim: str = "*") -> dict[str, dict]:
    """Stored results whose names begin so, by file name."""
    return {f.name: json.loads(f.read_text()) for f in sorted(folder.glob(f"*/{victim}/{pattern}-*.json"))}


def stored(folder: Path, pattern: str) -> list[dict]:
    """As `results`, without names."""
    return list(results(folder, pattern).values())


def start(*arguments, **environment) -> subprocess.Popen:
    """A command in a process of its own, which can be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "deepbayes", *map(str, arguments)],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job inherits it ignored
    )  # fmt: skip


def wait_for(condition, process: subprocess.Popen, seconds: float = 240) -> None:
    """Returns once `condition()` holds; fails where the process ends before, or it takes longer."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read().decode()[-2000:]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
