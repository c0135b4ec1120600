"""The classifiers by name, and how each is trained: what is registered, refused, and read back from a name."""

import contextlib
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbayes.data.registry import DATASETS
from deepbayes.models import recipes
from deepbayes.models.classifier import LOG_JOINT, Classifier
from deepbayes.models.deep_bayes.factorisation import SEVEN_NAMES
from deepbayes.models.recipes import ANY, NoRecipe, Recipe, recipe, register_recipe
from deepbayes.models.registry import (
    BASELINE,
    CLASSIFIERS,
    DISCRIMINATIVE,
    GENERATIVE,
    GROUPS,
    ClassifierOption,
    ClassifierSpec,
    all_options,
    base_name,
    classifier_spec,
    options_in_name,
    papers_classifiers,
    place,
    register_classifier,
    variant_name,
)


@contextlib.contextmanager
def registries_restored():
    """What a test registers is gone afterwards."""
    kept = [(d, dict(d)) for d in (CLASSIFIERS, recipes.RECIPES)]
    try:
        yield
    finally:
        for registry, before in kept:
            registry.clear()
            registry.update(before)


@pytest.fixture
def registries():
    with registries_restored():
        yield


class Flat(Classifier):
    """Knows nothing of x."""

    def __init__(self, name, shape, classes, *, width=1):
        super().__init__(name, shape, classes)
        self.width = width

    def logits(self, x, index, seed):
        return 0 * x[:, 0, 0] + [0.0] * self.classes


def spec(name="flat", **fields) -> ClassifierSpec:
    return ClassifierSpec(**({"name": name, "group": BASELINE, "build": Flat} | fields))


# ---- what is registered ----------------------------------------------------------------------------------------------


def test_the_papers_seven_come_first_and_in_its_order():
    assert papers_classifiers() == list(CLASSIFIERS)[:7] == list(SEVEN_NAMES)
    assert {s.group for s in CLASSIFIERS.values()} == set(GROUPS)


def test_a_group_is_what_the_first_letter_says():
    groups = {n: s.group for n, s in CLASSIFIERS.items()}
    assert {n for n, g in groups.items() if g == GENERATIVE} == {"GFZ", "GFY", "GBZ", "GBY", "GBZ-shallow"}
    assert {n for n, g in groups.items() if g == DISCRIMINATIVE} == {"DFZ", "DFX", "DBX"}
    assert {n for n, g in groups.items() if g == BASELINE} == {"cnn"}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_entry_says_of_its_classifier_what_that_says_itself(name):
    entry = classifier_spec(name)
    built = entry.new((8, 8, 1), 3, {"dim_z": 5, "samples": 2, "no_option_of_any": 1, "likelihood": None})
    assert (built.name, built.shape, built.classes) == (name, (8, 8, 1), 3)
    assert built.signals == entry.signals
    assert built.has_density == (LOG_JOINT in entry.signals)
    if entry.sizes:
        sizes = dict(entry.sizes((8, 8, 1), 3, {"dim_z": 5}))
        assert sizes == built.card()["architecture"]
        assert sizes["dim_z"] == 5
    assert entry.description
    assert built.parameters > 0


def test_options_are_those_of_the_classifiers_named():
    assert set(all_options(["GBZ", "cnn"])) == set(all_options()) == {"samples", "dim_z"}
    assert all_options(["cnn"]) == {}
    with pytest.raises(ValueError, match="unknown classifier 'GFX'; known: GFZ, GFY"):
        all_options(["GFX"])


def test_one_call_makes_a_classifier_known(registries):
    entry = spec(options=(ClassifierOption("width", "of nothing"),))
    assert register_classifier(entry) is classifier_spec("flat") is entry
    assert entry.new((8, 8, 1), 3, {"width": 4, "dim_z": 9}).width == 4
    assert entry.new((8, 8, 1), 3, {"width": None}).width == 1
    assert "flat" not in papers_classifiers()


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "9x", "a_b", "a b", "a/b", "-a", "a#b", "a.b", "../a", "flat\n", "é"])
def test_names_that_are_no_names_are_refused(registries, name):
    with pytest.raises(ValueError, match="letters, digits and dashes, not " + re.escape(repr(name))):
        register_classifier(spec(name))
    assert name not in CLASSIFIERS


def test_a_name_is_registered_once(registries):
    register_classifier(spec())
    for again in (spec(), spec("GBZ")):
        with pytest.raises(ValueError, match=f"the classifier {again.name} is registered already"):
            register_classifier(again)
    assert CLASSIFIERS["GBZ"].of_the_paper


def test_an_unknown_group_is_refused_with_the_known_ones(registries):
    with pytest.raises(ValueError, match="unknown group 'other'; known: generative, discriminative, baseline"):
        register_classifier(spec(group="other"))
    assert "flat" not in CLASSIFIERS


@pytest.mark.parametrize("letters", [("Z",), ("z1",), ("z", "z"), ("-",)])
def test_letters_that_a_name_could_not_give_back_are_refused(registries, letters):
    options = tuple(ClassifierOption(f"option_{k}", "", letter=letter) for k, letter in enumerate(letters))
    with pytest.raises(ValueError, match="lower case and its own"):
        register_classifier(spec(options=options))


# ---- names of variants -----------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,6}", fullmatch=True).filter(lambda n: n not in CLASSIFIERS)
LETTERS = st.text("abkz", min_size=1, max_size=2)
VALUES = st.integers(0, 10**6)


@given(
    NAMES, st.dictionaries(LETTERS, st.tuples(VALUES, VALUES | st.none())), st.sampled_from(["", "-2019", "#1a2b3c"])
)
def test_a_variants_name_gives_back_classifier_and_options(name, wanted, end):
    """`wanted`: letter -> (the usual value, the value asked for or None)."""
    options = tuple(ClassifierOption(f"option_{letter}", "", letter=letter) for letter in wanted)
    usual = {f"option_{letter}": v for letter, (v, _) in wanted.items()}
    asked = {f"option_{letter}": v for letter, (_, v) in wanted.items()}
    unusual = {n: v for n, v in asked.items() if v is not None and v != usual[n]}
    with registries_restored():
        entry = register_classifier(spec(name, options=(*options, ClassifierOption("samples", "in no name"))))
        variant = variant_name(entry, asked | {"samples": 7}, usual)
        assert (variant == name) == (not unusual)
        assert base_name(variant + end) == name
        assert options_in_name(variant + end) == unusual
        assert place(variant + end) == place(name)


@pytest.mark.parametrize(
    ("name", "base", "options"),
    [
        ("GBZ_z32", "GBZ", {"dim_z": 32}),
        ("GBZ-shallow_z32", "GBZ-shallow", {"dim_z": 32}),
        ("GBZ-shallow", "GBZ-shallow", {}),
        ("GBZ-2019", "GBZ", {}),
        ("GBZ_z32-2019#0a1b2c", "GBZ", {"dim_z": 32}),
        ("GBZ#surrogate-0a1b2c", "GBZ", {}),
        ("GBZ_mine", "GBZ_mine", {}),  # files of users
        ("GBZ_v2", "GBZ_v2", {}),
        ("cnn_z32", "cnn_z32", {}),
        ("GBZ-20199", "GBZ-20199", {}),
        ("mine", "mine", {}),
    ],
)
def test_names_in_results(name, base, options):
    assert base_name(name) == base
    assert options_in_name(name) == options


@given(st.permutations([*CLASSIFIERS, "GBZ_z32", "GFZ-2019", "mine", "another"]))
def test_the_order_of_a_table_does_not_depend_on_the_order_of_the_results(names):
    ordered = sorted(names, key=lambda n: (place(n), n))
    assert ordered == [
        "GFZ", "GFZ-2019", "GFY", "GBZ", "GBZ_z32", "GBY", "GBZ-shallow", "DFZ", "DFX", "DBX", "cnn", "another", "mine"
    ]  # fmt: skip


# ---- recipes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_has_a_recipe_for_every_data_set(name, dataset):
    assert recipe(DATASETS[dataset].weights_of, name).epochs >= 1


@pytest.mark.parametrize("name", SEVEN_NAMES)
def test_the_sevens_recipes_are_2019s(name):
    assert recipe("mnist", name) == Recipe(100, 1e-4, batch_size=50, epsilon=1e-8, kl_warmup=0, initialiser="2019")
    assert recipe("plane_frog", name) == Recipe(200, 5e-5)


def test_what_is_given_takes_the_place_of_the_recipes_own_and_none_of_nothing():
    usual = recipe("mnist", "GBZ")
    assert recipe("mnist", "GBZ", {"epochs": 3, "learning_rate": None}) == replace(usual, epochs=3)
    assert recipe("mnist", "GBZ", {"kl_warmup": 0, "batch_size": None}) == usual
    assert recipe("mnist", "GBZ").settings() == asdict(usual)


def test_the_own_entry_comes_before_those_for_any(registries):
    register_classifier(spec())
    for k, (dataset, classifier) in enumerate([(ANY, ANY), (ANY, "flat"), ("mnist", ANY), ("mnist", "flat")]):
        register_recipe(Recipe(k + 1, 1e-3), classifier, dataset)
        assert recipe("mnist", "flat").epochs == k + 1
    assert recipe("plane_frog", "flat").epochs == 2
    assert recipe("plane_frog", "unheard of").epochs == 1


def test_without_a_recipe_the_message_says_what_to_give(registries):
    register_classifier(spec())
    with pytest.raises(NoRecipe, match="flat has no recipe for mnist: give --epochs and --learning-rate, or"):
        recipe("mnist", "flat")
    with pytest.raises(NoRecipe, match=r"give --learning-rate, or register one \(register_recipe\)"):
        recipe("mnist", "flat", {"epochs": 3, "learning_rate": None})
    assert recipe("mnist", "flat", {"epochs": 3, "learning_rate": 0.1}) == Recipe(3, 0.1)


def test_recipes_of_unknown_classifiers_and_second_ones_are_refused(registries):
    with pytest.raises(ValueError, match="unknown classifier 'flat'; known: GFZ"):
        register_recipe(Recipe(1, 0.1), "flat")
    with pytest.raises(ValueError, match="a recipe for GBZ on plane_frog already"):
        register_recipe(Recipe(1, 0.1), "GBZ", "plane_frog")
    assert recipe("plane_frog", "GBZ").epochs == 200
