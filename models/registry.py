"""The classifiers by name: what the command line, the help, the tables, the colours and the tests are made from.

Adding one is a module with a subclass of `Classifier` and one entry: `register_classifier(ClassifierSpec(...))`, and
how it is trained: `register_recipe` (models/recipes.py). This module imports no array library.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepbayes.models.classifier import POSTERIOR, Classifier

GENERATIVE, DISCRIMINATIVE, BASELINE = "generative", "discriminative", "baseline"
GROUPS = (GENERATIVE, DISCRIMINATIVE, BASELINE)


@dataclass(frozen=True)
class ClassifierOption:
    """A whole number that a classifier is built with; on the command line `--`, then the name with dashes.

    Attributes:
      name: in Python.
      help: the text of `--help`.
      default: None where the data set decides.
      letter: the letter before a value that is not the usual one, "z" in GBZ_z32; "" leaves the value out of the name.
      metavar: the word for the value in the help.
    """

    name: str
    help: str
    default: int | None = None
    letter: str = ""
    metavar: str = "N"


@dataclass(frozen=True)
class ClassifierSpec:
    """The description of a classifier that can be built by its name.

    Attributes:
      name: letters, digits and dashes.
      group: one of GROUPS; gives the order in tables, and the colour.
      build: "package.module:function" or the function itself. It maps (name, shape (H, W, ch), classes, options) to an
        untrained `Classifier` whose weights are drawn under Keras's global seed.
      description: one line for the help: the model as a formula.
      signals: what detectors may read, the same as the built classifier's.
      options: see `ClassifierOption`.
      keywords: options of `build` that are not on the command line.
      sizes: (shape, classes, options) -> sizes that weights must have, as a card holds them; imports no array library.
      evaluation_terms: name -> meaning of each evaluation term, for captions.
      training_ms: milliseconds of one core that training takes for an image of 28 x 28 grey pixels, for estimates.
      of_the_paper: whether it is one of the paper's seven, which run where none is named.
    """

    name: str
    group: str
    build: str | Callable[..., Classifier]
    description: str = ""
    signals: frozenset[str] = frozenset({POSTERIOR})
    options: tuple[ClassifierOption, ...] = ()
    keywords: tuple[str, ...] = ()
    sizes: Callable[..., Mapping[str, Any]] | None = None
    evaluation_terms: Mapping[str, str] = field(default_factory=dict)
    training_ms: float = 0.2
    of_the_paper: bool = False

    def new(self, shape: tuple[int, ...], classes: int, options: Mapping[str, Any]) -> Classifier:
        """Builds an untrained classifier; options that it does not have, or that are None, are left out."""
        taken = {o.name for o in self.options} | {*self.keywords}
        given = {n: v for n, v in options.items() if n in taken and v is not None}
        return _function(self.build)(self.name, shape, classes, **given)


CLASSIFIERS: dict[str, ClassifierSpec] = {}


def register_classifier(spec: ClassifierSpec) -> ClassifierSpec:
    """Registers a classifier, so that every command knows it by its name; returns its description.

    Args:
      spec: the description.

    Raises:
      ValueError: the name is taken or has other characters, the group is unknown, or two options share a letter.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", spec.name):
        raise ValueError(f"a classifier's name is letters, digits and dashes, not {spec.name!r}")
    if spec.name in CLASSIFIERS:
        raise ValueError(f"the classifier {spec.name} is registered already")
    if spec.group not in GROUPS:
        raise ValueError(f"unknown group {spec.group!r}; known: {', '.join(GROUPS)}")
    letters = [o.letter for o in spec.options if o.letter]
    if len(set(letters)) < len(letters) or not all(re.fullmatch(r"[a-z]+", letter) for letter in letters):
        raise ValueError(f"{spec.name}: an option's letter is lower case and its own, not {', '.join(letters)}")
    CLASSIFIERS[spec.name] = spec
    return spec


def classifier_spec(name: str) -> ClassifierSpec:
    """Raises ValueError for an unknown name."""
    if name not in CLASSIFIERS:
        raise ValueError(f"unknown classifier {name!r}; known: {', '.join(CLASSIFIERS)}")
    return CLASSIFIERS[name]


def papers_classifiers() -> list[str]:
    """The paper's seven, in its order."""
    return [name for name, spec in CLASSIFIERS.items() if spec.of_the_paper]


def all_options(names: Iterable[str] | None = None) -> dict[str, ClassifierOption]:
    """The options of these classifiers, or of all, by name."""
    specs = CLASSIFIERS.values() if names is None else [classifier_spec(n) for n in names]
    return {o.name: o for spec in specs for o in spec.options}


def base_name(name: str) -> str:
    """The registered name behind a name in results: GBZ of GBZ_z32, GBZ-2019 and GBZ#1a2b3c; else the name itself.

    A user's model GBZ_mine has its own name.
    """
    if name in CLASSIFIERS:
        return name
    known = [spec.name for spec in CLASSIFIERS.values() if re.fullmatch(_names_of(spec), name)]
    return max(known, key=len, default=name)


def _names_of(spec: ClassifierSpec) -> str:
    """A pattern of all names that results have for a classifier."""
    letters = "|".join(o.letter for o in spec.options if o.letter)
    variant = rf"(?:_(?:{letters})\d+)*" if letters else ""
    return re.escape(spec.name) + variant + r"(?:-2019)?(?:#.*)?"


def variant_name(spec: ClassifierSpec, options: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """GBZ, or GBZ_z32 where an option with a letter has another value than the usual one."""
    ends = [
        f"_{o.letter}{options[o.name]}"
        for o in spec.options
        if o.letter and options.get(o.name) not in (None, usual.get(o.name))
    ]
    return spec.name + "".join(ends)


def options_in_name(name: str) -> dict[str, int]:
    """{"dim_z": 32} of GBZ_z32: the inverse of `variant_name`."""
    base = base_name(name)
    letters = {o.letter: o.name for o in (CLASSIFIERS[base].options if base in CLASSIFIERS else ()) if o.letter}
    found = re.findall(r"_([a-z]+)(\d+)", name.removeprefix(base))
    return {letters[letter]: int(value) for letter, value in found if letter in letters}


def place(name: str) -> int:
    """Where a name stands in tables: by group, then in the order of registration; names of a user's behind."""
    order = sorted(CLASSIFIERS, key=lambda known: GROUPS.index(CLASSIFIERS[known].group))
    base = base_name(name)
    return order.index(base) if base in CLASSIFIERS else len(order)


def _function(of: str | Callable) -> Callable:
    if callable(of):
        return of
    module, _, name = of.partition(":")
    return getattr(importlib.import_module(module), name)


def _register_ours() -> None:
    for module in ("deepbayes.models.deep_bayes.family", "deepbayes.models.baselines.family"):
        for spec in importlib.import_module(module).SPECS:
            register_classifier(spec)


_register_ours()
