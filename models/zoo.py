"""Trained classifiers: the weights that ship, or those a user trained.

A weight file NAME.npz holds float16 arrays under `Classifier.named_weights`; the card NAME.json beside it says what
they are: data and images left out, settings, versions, wall time, accuracies with n and interval, sha256 of the weight
file. A classifier is never handed out with missing, damaged or untrained weights, nor for a test set that its training
data contains. Array libraries are imported only where a classifier is built.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepbayes import PROGRAM
from deepbayes.data.registry import DATASETS, Dataset
from deepbayes.models.files import FileError, file_sha256, read_arrays, read_json, write_arrays, write_json
from deepbayes.models.recipes import NoRecipe, recipe, training_hours
from deepbayes.models.registry import ClassifierSpec, classifier_spec, variant_name

if TYPE_CHECKING:
    from deepbayes.models.classifier import Classifier

SHIPPED = Path(__file__).parent / "weights"


class LeakError(FileError):
    """The classifier was trained on the images it would be tested on."""


def new_classifier(dataset: str, name: str, seed: int, **options) -> "Classifier":
    """An untrained classifier of a data set's shape and classes, its kernels drawn under `seed`.

    Raises:
      ValueError: unknown data set or classifier, or as its family's builder.
    """
    import keras

    spec, data = classifier_spec(name), _dataset(dataset)
    keras.utils.set_random_seed(seed)
    return spec.new(data.shape, data.classes, options)


def file_stem(dataset: str, name: str, **options) -> str:
    """The name "GBZ", or "GBZ_z32" where an option is not the data set's own."""
    spec = classifier_spec(name)
    return variant_name(spec, options, _sizes(spec, _dataset(dataset), {}))


def weight_file(dataset: str, name: str, path: Path | None = None, **options) -> Path:
    """Where weights are: `path` itself where it is a file, else in that folder, else among those that ship."""
    if path is not None and path.suffix == ".npz":
        return path
    folder = path or SHIPPED / _dataset(dataset).weights_of
    return folder / f"{file_stem(dataset, name, **options)}.npz"


def save_classifier(file: Path, classifier: "Classifier", card: dict) -> dict:
    """Writes float16 weights to `file` and the card, with sizes and sha256 added, beside it; returns that card."""
    import numpy as np

    write_arrays(file, {n: np.array(v).astype(np.float16) for n, v in classifier.named_weights().items()})
    full = {"name": classifier.name} | classifier.card() | card
    full |= {"parameters": classifier.parameters, "sha256": file_sha256(file)}
    write_json(file.with_suffix(".json"), full)
    return full


def read_card(file: Path) -> dict:
    """The card of a weight file. Raises FileError: missing, damaged, or not the card of these bytes."""
    if not file.exists():
        raise FileError(f"no weights at {file}")
    card = read_json(file.with_suffix(".json"))
    if file_sha256(file) != card.get("sha256"):
        raise FileError(f"{file} is damaged: its sha256 is not the one in {file.with_suffix('.json').name}")
    return card


def usable_card(dataset: str, name: str, path: Path | None = None, **options) -> dict:
    """The card of weights that may be used on this data set; arguments and errors are those of load_classifier."""
    spec, data = classifier_spec(name), _dataset(dataset)
    file = weight_file(dataset, name, path, **options)
    if not file.exists():
        raise FileError(f"no weights at {file}: {_how_to_train(data, name)}")
    card = read_card(file)
    if card.get("name") != name:
        raise FileError(f"{file} holds the weights of {card.get('name')}, not of {name}")
    if dataset not in card["data"]["unseen"]:
        raise LeakError(
            f"{file} was trained on {card['data']['name']}, which contains the test images of {dataset}; its test sets "
            f"are: {', '.join(card['data']['unseen'])}"
        )
    expected, found = _sizes(spec, data, options), card.get("architecture", {})
    if found != expected:
        raise FileError(f"{file} has sizes {found}, not those of {dataset}: {expected}")
    return card


def load_classifier(dataset: str, name: str, path: Path | None = None, **options) -> "Classifier":
    """Loads a trained classifier: the weights that ship, or weights of your own.

    Args:
      dataset: the data set that the classifier will be used on. The weights must not have seen its test part.
      name: a registered name, such as "GBZ" (models.registry.CLASSIFIERS).
      path: a weight file or a folder of weight files; None takes the weights that ship.
      **options: of the classifier (`samples`, `dim_z`, `log_prior_y`); None takes the data set's own value.

    Raises:
      ValueError: the data set or the classifier is unknown.
      FileError: weights or card are missing, damaged, or of another classifier.
      LeakError: the weights were trained on this data set's test images.
    """
    card = usable_card(dataset, name, path, **options)
    file, spec, data = weight_file(dataset, name, path, **options), classifier_spec(name), _dataset(dataset)
    kept = {k: card[k] for k in spec.keywords if k in card}
    classifier = spec.new(data.shape, data.classes, options | kept)
    _assign(classifier, file)
    classifier.ready()
    classifier.name, classifier.trained_on = file_stem(dataset, name, **options), card["data"]["name"]
    classifier.weights = file
    classifier.settings = {"weights_sha256": card["sha256"]} | classifier.settings
    return classifier


def _assign(classifier: "Classifier", file: Path) -> None:
    arrays, variables = read_arrays(file), classifier.named_weights()
    wrong = sorted(arrays.keys() ^ variables.keys())
    if wrong:
        raise FileError(f"{file}: missing or extra variables: {', '.join(wrong)}")
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise FileError(f"{file}: {name} has shape {arrays[name].shape}, not {variable.shape}")
        variable.assign(arrays[name].astype("float32"))


def _how_to_train(data: Dataset, name: str) -> str:
    try:
        hours = training_hours(data, name, recipe(data.weights_of, name))
    except NoRecipe as error:
        return str(error)
    takes = f"{hours:.0f} hours" if hours >= 2 else f"{60 * hours:.0f} minutes" if hours >= 1 / 30 else "a minute"
    which = f"--data {data.source}" if data.name.startswith("own_") else f"--dataset {data.name}"
    return (
        f"train it first, about {takes} of one core: {PROGRAM} train {which} --classifiers {name} (then "
        "--weights names the folder, where it is not in --output)"
    )


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]


def _sizes(spec: ClassifierSpec, data: Dataset, options: Mapping[str, Any]) -> dict:
    """What the card of such weights calls its architecture."""
    if spec.sizes is None:
        return {"input_shape": list(data.shape), "num_classes": data.classes}
    return dict(spec.sizes(data.shape, data.classes, options))
