"""The paper's figures, and the commands that measure them."""

import csv
import dataclasses
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepbayes import ROOT
from deepbayes.experiments.command_line.parser import parser
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.models.deep_bayes.architecture import ARCHITECTURES
from deepbayes.models.deep_bayes.factorisation import FACTORISATIONS, SEVEN_NAMES
from deepbayes.reference.published import (
    FILE,
    PAPER_CLASSIFIERS,
    PAPER_OPTIONS,
    Budget,
    Key,
    has_density,
    key_parameter,
    published,
)
from deepbayes.reproduction.collect import figures_of, places
from deepbayes.reproduction.compare import papers_figures
from deepbayes.reproduction.estimates import classifier_of, key_of
from deepbayes.reproduction.hours import hours
from deepbayes.reproduction.paper_tables import tables_of
from deepbayes.reproduction.required_runs import images_run, required_runs, why_not_measured

ROOMS = ("reproduction", "reference")


def test_all_of_the_papers_figures_are_there():
    assert len(published()) == 3_895
    assert sum(p.kind == "digitised" for p in published()) == 184
    with open(FILE, newline="") as file:
        assert all(re.search(r", p\. \d+$", row["source"]) for row in csv.DictReader(file))
    sizes = {place: len(figures_of(place)) for place in places()}
    assert sizes["Table F.1"] == sizes["Table F.9"] == 130
    assert sizes["Table F.11"] == sizes["Table F.22"] == 95
    assert sizes["Table F.26"] == 200
    assert [p for p in places() if p.startswith("Table")][:5] == [
        "Table 1",
        "Table 2",
        "Table 3",
        "Table A.1",
        "Table A.2",
    ]
    assert sum(p.startswith("Table F") for p in places()) == 28


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("mnist", "GFZ", "fgsm", "eps=0.1", "accuracy_percent"), 94.2),
        (("mnist", "GBZ", "pgd", "eps=0.3", "accuracy_percent"), 32.5),  # F.2; Table 3 has 29.7 on 1,000 images
        (("mnist", "DBX", "clean", "", "accuracy_percent"), 98.98),  # A.2; the plot says 98.88
        (("mnist", "GBZ", "wbs_logit", "eps=0.2;lambda=10", "accuracy_percent"), 90.5),
        (("mnist", "GBZ", "clean", "dim_z=16", "accuracy_percent"), 97.11),
        (("mnist", "GFY", "pgd", "all eps", "min_linf_mean"), 0.21),  # Table 1; Figure 3 digitised 0.2139
        (("mnist", "GFZ", "transfer_pgd", "eps=0.3;from=GBZ", "accuracy_percent"), 64.4),
    ],
)
def test_a_figure_that_stands_in_several_places_is_the_first_appendix_tables_before_others(key, value):
    assert papers_figures()[Key(*key)].value == value


def _written(key: Key) -> str:
    """The parameter again, from what the key's properties read of it."""
    lambda_ = "" if key.lambda_ is None else f";lambda={key.lambda_:g}"
    over = "all eps" if key.over_all_budgets else f"eps<={key.largest:g}" if key.largest is not None else ""
    attack = f"{key.budget}{lambda_}" if key.budget else over
    return key_parameter(attack, key.source, key.classifier_options)


def test_the_properties_of_a_key_read_all_that_its_parameter_says():
    statements = ("64000 queries", "raw pixels", "parameter")  # of the text
    for key in {p.key for p in published()}:
        assert _written(key) == ("" if key.parameter in statements else key.parameter)
        assert (key.source != "") == key.attack.startswith("transfer_")
        assert (key.lambda_ is not None) == key.attack.startswith("wbs_")


@given(
    budget=st.builds(Budget, st.sampled_from(["eps", "c"]), st.floats(1e-3, 1e3).map(lambda v: float(f"{v:g}"))),
    source=st.sampled_from(["", *PAPER_CLASSIFIERS]),
    options=st.dictionaries(st.just("dim_z"), st.integers(1, 999)),
)
def test_what_is_written_into_a_key_is_read_from_it(budget, source, options):
    key = Key("mnist", "GBZ", "transfer_pgd", key_parameter(str(budget), source, options), "accuracy_percent")
    assert (key.budget, key.source, key.classifier_options) == (budget, source, options)
    assert key.all_classifier_options == {"dim_z": 64} | options
    assert (key.over_all_budgets, key.largest, key.lambda_) == (False, None, None)
    whole, below = key.over_budgets(), key.over_budgets(0.3)
    assert (whole.budget, whole.over_all_budgets, whole.largest) == (None, True, None)
    assert (below.budget, below.over_all_budgets, below.largest) == (None, False, 0.3)
    assert whole.source == below.source == source


def test_a_transfer_knows_the_attack_on_its_source():
    key = Key("mnist", "GFZ", "transfer_pgd", "eps=0.3;from=GBZ", "accuracy_percent")
    assert key.of_the_source == Key("mnist", "GBZ", "pgd", "eps=0.3", "accuracy_percent")


def test_labels_are_the_heads_of_tables():
    key = Key("mnist", "GBZ", "wbs_logit", "eps=0.2;lambda=10", "accuracy_percent")
    assert (key.attack_label, key.parameter_label) == ("wbs logit", "eps 0.2, lambda 10")
    assert key.over_budgets(0.3).parameter_label == "eps up to 0.3, lambda 10"


def test_the_papers_classifiers_and_their_options_are_those_of_the_models():
    assert PAPER_CLASSIFIERS == SEVEN_NAMES
    for dataset, options in PAPER_OPTIONS.items():
        assert options == {name: getattr(ARCHITECTURES[dataset], name) for name in options}
    assert {n for n in PAPER_CLASSIFIERS if has_density(n)} == {n for n in SEVEN_NAMES if FACTORISATIONS[n].models_x}


@pytest.mark.parametrize(
    ("victim", "settings", "classifier"),
    [
        ("GBZ", {"dim_z": 64}, ("GBZ", {})),
        ("GBZ_z16", {"dim_z": 16}, ("GBZ", {"dim_z": 16})),
        ("GBZ_z16", {}, ("GBZ_z16", {})),  # a user's Keras model, which has no such option
        ("GBZ_mine", {}, ("GBZ_mine", {})),
        ("my_z16", {"dim_z": 16}, ("my_z16", {})),
    ],
)
def test_a_classifier_in_a_result_is_known_by_its_name_and_options(victim, settings, classifier):
    assert classifier_of(victim, "mnist", settings) == classifier_of(victim, "mnist5k", settings) == classifier


def test_no_module_of_the_reproduction_imports_tensorflow_as_it_is_imported():
    """`table`, `figure` and `regression` come up at once; TensorFlow is imported by the functions that measure."""
    files = [f.relative_to(ROOT).with_suffix("") for room in ROOMS for f in sorted((ROOT / room).rglob("*.py"))]
    modules = [".".join(("deepbayes", *file.parts)).removesuffix(".__init__") for file in files]
    code = (
        "import importlib, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        "    heavy = {'tensorflow', 'keras', 'tensorflow_probability'} & set(sys.modules)\n"
        "    assert not heavy, (module, heavy)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert len(modules) > 15
    assert done.returncode == 0, done.stderr


def test_every_figure_that_can_be_measured_has_a_command_that_the_command_line_takes():
    for place in places():
        figures = [f for f in figures_of(place) if not why_not_measured(f)]
        for step in required_runs(figures):
            options = parser().parse_args(step.arguments("100"))
            assert set(options.classifiers) >= set(step.classifiers)
            assert options.protocol == "paper"
            if step.grid:
                assert tuple(getattr(options, step.parameter)) == step.grid
        covered = {(c, s.dataset) for s in required_runs(figures) for c in s.classifiers}
        assert {(f.key.classifier, f.key.dataset) for f in figures} <= covered


@pytest.mark.parametrize(
    "place", ["Table 1", "Table A.1", "Table A.2", "Table F.4", "Table F.5", "Table F.17", "Table F.26", "Figure A.4"]
)
def test_what_a_command_stores_has_the_keys_of_the_figures_that_asked_for_it(place):
    """The settings that each command's results will have, through `key_of`, over its grid."""
    figures = [f for f in figures_of(place) if not why_not_measured(f)]
    keys = set()
    for step in required_runs(figures):
        options = parser().parse_args(step.arguments("100"))
        asked_for = run_settings(options)
        for name in step.classifiers:
            own = dict(step.classifier_options)
            victim = f"{name}_z{own['dim_z']}" if own else name
            settings = {"dataset": step.dataset, "victim": victim, "attack": "clean"}
            settings |= PAPER_OPTIONS[step.dataset] | own
            if asked_for.attack:
                plan = plan_of(asked_for.attack, step.dataset, asked_for.protocol)
                for through in _throughs(options, step.classifiers):
                    for value in plan.grid:
                        keys.add(key_of(settings | plan.settings(value) | {"victim": victim} | through, "")[:4])
            keys.add(key_of(settings, "")[:4])
    asked = {f.key[:4] for f in figures if not f.key.parameter.startswith(("all", "eps<="))}
    assert asked <= keys


def _throughs(options, classifiers) -> list[dict]:
    """What results hold of somebody else than the victim."""
    if options.command == "transfer":
        return [{"through": {"kind": "transfer", "source": c}} for c in classifiers]
    if options.command in ("greybox", "blackbox"):
        return [{"through": {"kind": options.command}}]
    guard = getattr(options, "guard", None)
    return [{"detection": {"guard": guard, "chosen_guard": True}}] if guard else [{}]


def test_a_bottleneck_table_asks_for_the_latent_sizes_and_table_a1_for_three_weights():
    sizes = [dict(run.classifier_options) for run in required_runs(figures_of("Table F.26"))]
    assert {options.get("dim_z") for options in sizes} == {None, 16, 32, 128}
    commands = [run.command for run in required_runs(figures_of("Table A.1")) if "--lambda" in run.command]
    assert {command[command.index("--lambda") + 1] for command in commands} == {"0.1", "1", "10"}


def test_a_table_with_columns_of_another_names_the_sources_of_both():
    for table in tables_of("Table A.1", figures_of("Table A.1"), {}):
        assert "the difference. Table F.5, p. 24; Table A.1, p. " in table.caption


def test_hours_grow_with_images_and_steps():
    fgsm, pgd = (required_runs(figures_of(place))[0] for place in ("Table F.1", "Table F.2"))
    speed = lambda dataset, name: 10.0  # noqa: E731
    assert hours(fgsm, 200, speed) == pytest.approx(2 * hours(fgsm, 100, speed))
    assert hours(fgsm, None, speed) == pytest.approx(100 * hours(fgsm, 100, speed))
    assert images_run(50, "mnist") == 40  # 2019 drops a last partial batch
    assert hours(pgd, 100, speed) > 10 * hours(fgsm, 100, speed)


def test_hours_hold_queries_and_thresholds():
    """64,000 queries a substitute (paper, 4.1); 10,000 training images where weights do not ship."""
    speed = lambda dataset, name: 10.0  # noqa: E731
    steps = required_runs(figures_of("Table F.17"))
    classifiers = sum(len(s.classifiers) for s in steps)
    assert classifiers == len(PAPER_CLASSIFIERS)
    assert sum(hours(s, 100, speed) for s in steps) > classifiers * 64_000 * 10 / 3.6e6
    detect = next(s for s in required_runs(figures_of("Table F.26")) if s.command[0] == "detect")
    own = dataclasses.replace(detect, weights="somewhere")
    more = hours(own, 100, speed) - hours(detect, 100, speed)
    assert more == pytest.approx(len(detect.classifiers) * 10_000 * 10 / 3.6e6)
