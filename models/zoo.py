"""Trained classifiers: the weights that ship, or those a user trained.

A weight file NAME.npz holds float16 arrays under `DeepBayes.named_weights`; the card NAME.json beside it says what they
are: data and images left out, settings, versions, wall time, accuracies with n and interval, sha256 of the weight file.
A classifier is never handed out with missing, damaged or untrained weights, nor for a test set that its training data
contains.
"""

import re
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES, Architecture
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS
from deepbayes.models.deep_bayes.initialisers import INITIALISERS, begin_as_2019
from deepbayes.models.deep_bayes.model import DeepBayes
from deepbayes.models.files import FileError, file_sha256, read_arrays, read_json, write_arrays, write_json

SHIPPED = Path(__file__).parent / "weights"
SHARED_WEIGHTS = {"mnist5k": "mnist"}
"""Data sets that are attacked with the weights of another: the same images by another split."""


class LeakError(FileError):
    """The classifier was trained on the images it would be tested on."""


def architecture(dataset: str, dim_z: int | None = None) -> Architecture:
    """Sizes for a data set, with another latent size where given (the bottleneck study of the paper, A.2)."""
    if dataset not in ARCHITECTURES:
        raise ValueError(f"no networks for data set {dataset!r}; known: {', '.join(ARCHITECTURES)}")
    sizes = ARCHITECTURES[dataset]
    if dim_z is not None and dim_z < 1:
        raise ValueError(f"dim_z must be at least 1, not {dim_z}")
    return replace(sizes, dim_z=dim_z) if dim_z else sizes


def new_classifier(
    dataset: str, name: str, seed: int, dim_z: int | None = None, initialiser: str = "2019", **options
) -> DeepBayes:
    """An untrained classifier whose kernels are drawn under `seed`, by one of INITIALISERS."""
    if initialiser not in INITIALISERS:
        raise ValueError(f"unknown initialiser {initialiser!r}; known: {', '.join(INITIALISERS)}")
    keras.utils.set_random_seed(seed)
    classifier = DeepBayes(_factorisation(name), architecture(dataset, dim_z), **options)
    if initialiser == "2019":
        begin_as_2019(classifier)
    return classifier


def _factorisation(name: str):
    if name not in FACTORISATIONS:
        raise ValueError(f"unknown classifier {name!r}; known: {', '.join(FACTORISATIONS)}")
    return FACTORISATIONS[name]


def file_stem(dataset: str, name: str, dim_z: int | None = None) -> str:
    """The name "GBZ", or "GBZ_z32" where the latent size is not the data set's own."""
    usual = architecture(dataset).dim_z
    return name if dim_z in (None, usual) else f"{name}_z{dim_z}"


def weight_file(dataset: str, name: str, path: Path | None = None, dim_z: int | None = None) -> Path:
    """Where weights are: `path` itself where it is a file, else in that folder, else among those that ship."""
    if path is not None and path.suffix == ".npz":
        return path
    folder = path or SHIPPED / SHARED_WEIGHTS.get(dataset, dataset)
    return folder / f"{file_stem(dataset, name, dim_z)}.npz"


def name_and_dim_z(victim: str) -> tuple[str, int | None]:
    """("GBZ", 16) of "GBZ_z16", the name in results of a classifier with a latent size not the data set's own."""
    found = re.fullmatch(r"(.+)_z(\d+)", victim)
    return (found[1], int(found[2])) if found else (victim, None)


def save_classifier(file: Path, classifier: DeepBayes, card: dict) -> dict:
    """Writes float16 weights to `file` and the card, with sizes and sha256 added, beside it; returns that card."""
    write_arrays(file, {n: np.array(v).astype(np.float16) for n, v in classifier.named_weights().items()})
    sizes = asdict(classifier.architecture)
    full = {"name": classifier.factorisation.name, "architecture": sizes, "likelihood": classifier.likelihood}
    full |= card | {"parameters": classifier.count_params(), "sha256": file_sha256(file)}
    write_json(file.with_suffix(".json"), full)
    return full


def read_card(file: Path) -> dict:
    """The card of a weight file. Raises FileError: missing, damaged, or not the card of these bytes."""
    if not file.exists():
        raise FileError(
            f"no weights at {file}: train them (./run_experiments.sh train) and name their folder by --weights"
        )
    card = read_json(file.with_suffix(".json"))
    if file_sha256(file) != card.get("sha256"):
        raise FileError(f"{file} is damaged: its sha256 is not the one in {file.with_suffix('.json').name}")
    return card


def usable_card(dataset: str, name: str, path: Path | None = None, dim_z: int | None = None) -> dict:
    """The card of weights that may be used on this data set; arguments and errors are those of load_classifier."""
    expected = architecture(dataset, dim_z)
    _factorisation(name)
    file = weight_file(dataset, name, path, dim_z)
    card = read_card(file)
    if card.get("name") != name:
        raise FileError(f"{file} holds the weights of {card.get('name')}, not of {name}")
    if dataset not in card["data"]["unseen"]:
        raise LeakError(
            f"{file} was trained on {card['data']['name']}, which contains the test images of {dataset}; its test sets "
            f"are: {', '.join(card['data']['unseen'])}"
        )
    sizes = card["architecture"] | {k: tuple(card["architecture"][k]) for k in ("input_shape", "channels")}
    if Architecture(**sizes) != expected:
        raise FileError(f"{file} has sizes {card['architecture']}, not those of {dataset}: {asdict(expected)}")
    return card


def load_classifier(
    dataset: str, name: str, path: Path | None = None, dim_z: int | None = None, **options
) -> DeepBayes:
    """A trained classifier.

    Args:
      dataset: the data set it will be used on; its test part must be unseen by the weights.
      name: one of FACTORISATIONS.
      path: weight file, or folder of weight files; None is the weights that ship.
      dim_z: latent size, where it is not the data set's own.
      **options: handed to DeepBayes (samples, seed, log_prior_y).

    Raises:
      ValueError: unknown data set or classifier.
      FileError: weights or card are missing, damaged, or of another classifier.
      LeakError: the weights were trained on this data set's test images.
    """
    card = usable_card(dataset, name, path, dim_z)
    file = weight_file(dataset, name, path, dim_z)
    sizes = architecture(dataset, dim_z)
    classifier = DeepBayes(FACTORISATIONS[name], sizes, likelihood=card["likelihood"], **options)
    arrays, variables = read_arrays(file), classifier.named_weights()
    wrong = sorted(arrays.keys() ^ variables.keys())
    if wrong:
        raise FileError(f"{file}: missing or extra variables: {', '.join(wrong)}")
    for variable_name, variable in variables.items():
        if arrays[variable_name].shape != tuple(variable.shape):
            raise FileError(f"{file}: {variable_name} has shape {arrays[variable_name].shape}, not {variable.shape}")
        variable.assign(arrays[variable_name].astype(np.float32))
    if not tf.config.list_physical_devices("GPU"):  # unmeasured there
        classifier.leave_out_dead_channels()
    return classifier
