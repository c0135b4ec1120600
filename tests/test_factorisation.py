import pytest

from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES, THE_SEVEN, Factorisation
from deepbayes.models.deep_bayes.model import DeepBayes
from helpers import ROOT

# Counts of the 2019 networks, by (MNIST, CIFAR-binary).
PARAMETERS = {
    "GFZ": (1_833_154, 11_776_402),
    "GFY": (1_865_272, 11_904_656),
    "GBZ": (2_078_654, 12_775_402),
    "GBY": (1_860_272, 11_902_656),
    "DFZ": (2_797_246, 17_900_650),
    "DFX": (3_079_042, 19_026_258),
    "DBX": (2_109_950, 12_900_010),
    "GBZ-shallow": (1_828_154, 11_774_402),
}


def test_the_seven_names_are_derived_from_the_graph():
    assert [f.name for f in THE_SEVEN] == ["GFZ", "GFY", "GBZ", "GBY", "DFZ", "DFX", "DBX"]


@pytest.mark.parametrize(
    ("parents", "name"),
    [
        (("", "z", "zy"), "GFZ"),
        (("x", "xz", ""), "DFX"),
        (("", "", "z"), None),  # two roots: no name
        (("y", "", "z"), "GBY"),
        (("x", "z", ""), "DBX"),
    ],
)
def test_a_name_follows_its_parents(parents, name):
    z, y, x = parents
    factorisation = Factorisation(z=z, y=y, x=x)
    if name is None:
        with pytest.raises(ValueError, match="unpack"):
            _ = factorisation.name
    else:
        assert factorisation.name == name


def test_a_variant_is_the_base_name_with_a_suffix():
    assert FACTORISATIONS["GBZ-shallow"].y_hidden_layers == 1
    assert set(FACTORISATIONS) >= set(SEVEN_NAMES)


def test_only_models_of_x_have_a_density():
    assert [f.name for f in THE_SEVEN if not f.models_x] == ["DFX", "DBX"]


def test_every_factorisation_has_pinned_parameter_counts():
    assert set(PARAMETERS) == set(FACTORISATIONS)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(("column", "dataset"), enumerate(["mnist", "plane_frog"]))
def test_parameter_counts(name, column, dataset):
    classifier = DeepBayes(FACTORISATIONS[name], ARCHITECTURES[dataset])
    assert classifier.count_params() == PARAMETERS[name][column]


@pytest.mark.parametrize("factorisation", THE_SEVEN, ids=lambda f: f.name)
def test_the_readme_shows_the_graphs_that_the_table_holds(factorisation):
    readme = (ROOT / "README.md").read_text()
    formula = factorisation.formula.replace("|", "\\|")
    assert f"| {factorisation.name} | {formula} |" in readme
