"""How classifiers are trained: (data set, classifier) -> Recipe. Read by `train`, by `table`, by the docs.

The deep Bayes entries are the released code's: MNIST 100 epochs at 1e-4, CIFAR-binary 200 at 5e-5, batch 50, one
sample, Adam with TensorFlow 1's epsilon. This module imports no array library.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepbayes.data.registry import Dataset
from deepbayes.models.registry import CLASSIFIERS, classifier_spec

ANY = "*"
"""Stands for every data set, or every classifier, without an entry of its own."""


@dataclass(frozen=True)
class Recipe:
    """The settings of one training. The optimiser is Adam.

    Attributes:
      epochs: passes over the training images.
      learning_rate: Adam's.
      batch_size: images a step.
      epsilon: Adam's.
      kl_warmup: epochs over which the weight of a classifier's `warmed_terms` rises linearly from 0 to 1 (Sonderby et
        al., arXiv 1602.02282).
      initialiser: "2019", where all dense layers outside the towers begin as one stream, or "independent"
        (models/deep_bayes/initialisers.py); read by classifiers that know it.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 50
    epsilon: float = 1e-8
    kl_warmup: int = 0
    initialiser: str = "2019"

    def settings(self) -> dict[str, Any]:
        return asdict(self)


RECIPES: dict[tuple[str, str], Recipe] = {}
"""(data set, classifier) -> recipe; either may be ANY. One for the data set comes before one for any."""


class NoRecipe(ValueError):
    """A classifier is registered without a recipe for this data set; the message says what to do."""


def register_recipe(recipe: Recipe, classifier: str, dataset: str = ANY) -> None:
    """Registers how a classifier is trained, on one data set or on any.

    Args:
      recipe: the settings of the training.
      classifier: a registered name, or ANY.
      dataset: a data set's name, or ANY. A recipe for one data set comes before a recipe for any.

    Raises:
      ValueError: the classifier is unknown, or has a recipe for this data set already.
    """
    if classifier != ANY:
        classifier_spec(classifier)
    if (dataset, classifier) in RECIPES:
        raise ValueError(f"there is a recipe for {classifier} on {dataset} already")
    RECIPES[dataset, classifier] = recipe


def recipe(dataset: str, classifier: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe for a classifier on a data set, fields of `overrides` that are not None in place of its own.

    Raises:
      NoRecipe: none is registered, and the overrides do not name epochs and learning rate.
    """
    given = {k: v for k, v in (overrides or {}).items() if v is not None}
    keys = ((dataset, classifier), (dataset, ANY), (ANY, classifier), (ANY, ANY))
    found = next((RECIPES[key] for key in keys if key in RECIPES), None)
    if found is None:
        if missing := sorted({"epochs", "learning_rate"} - given.keys()):
            flags = " and ".join(f"--{m.replace('_', '-')}" for m in missing)
            raise NoRecipe(f"{classifier} has no recipe for {dataset}: give {flags}, or register one (register_recipe)")
        return Recipe(**given)
    return replace(found, **given)


def training_hours(data: Dataset, classifier: str, chosen: Recipe) -> float:
    """About how many hours of one core a training takes: measured on MNIST, in proportion to the images' values."""
    values = math.prod(data.shape) / (28 * 28)
    images = data.training_images * chosen.epochs
    return images * values * classifier_spec(classifier).training_ms / 3.6e6


_MNIST, _CIFAR_BINARY, _FASHION_MNIST = Recipe(100, 1e-4), Recipe(200, 5e-5), Recipe(40, 1e-4)

for _name, _spec in CLASSIFIERS.items():
    if "initialiser" in _spec.keywords:  # the deep Bayes family
        register_recipe(_MNIST, _name)
        register_recipe(_CIFAR_BINARY, _name, "plane_frog")
        register_recipe(_FASHION_MNIST, _name, "fashion_mnist")
register_recipe(Recipe(10, 1e-3, batch_size=100, epsilon=1e-7), "cnn")
