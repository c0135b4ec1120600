"""Tables, figures and the regression of the paper, from stored results."""

import dataclasses
import io
import json
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from rich.console import Console
from test_compare import figure

from conftest import put
from deepbayes.experiments.command_line import main
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.store.results import ResultsStore, settings_hash
from deepbayes.models.files import FileError
from deepbayes.reference.published import PAPER_CLASSIFIERS
from deepbayes.reproduction import collect
from deepbayes.reproduction.collect import accepted_estimates, best, figures_of, places
from deepbayes.reproduction.estimates import estimates_of, key_of
from deepbayes.reproduction.figure import draw
from deepbayes.reproduction.paper_tables import METRICS, in_lines, tables_of
from deepbayes.reproduction.regression.command import compared
from deepbayes.reproduction.required_runs import own_weights, why_not_measured


@pytest.fixture(autouse=True)
def no_results_that_come_with_the_project(tmp_path, monkeypatch):
    for module in ("collect", "regression.command"):
        monkeypatch.setattr(f"deepbayes.reproduction.{module}.COMMITTED", tmp_path / "none")


def run(*arguments) -> int:
    return main.main([str(a) for a in arguments])


def changed(file: Path, changed_settings: dict | None = None, **content) -> Path:
    """Makes a stored result another one, of other settings or other content; returns its file."""
    old = json.loads(file.read_text())
    file.unlink()
    return put(file.parents[2], old | content | {"settings": old["settings"] | (changed_settings or {})})


def settings_of(file: Path) -> dict:
    return json.loads(file.read_text())["settings"]


def with_right_only(n: int, clean: dict) -> dict:
    """What changes of a clean result where only the first n of its images are right."""
    y = clean["labels"]
    predictions = [label if k < n else (label + 1) % 10 for k, label in enumerate(y)]
    return {"predictions": predictions, "accuracy": rate(n, len(y))}


GRID = ("0.1", "0.2", "0.3", "0.4", "0.5")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """FGSM on two classifiers over the paper's grid, detection, and transfer, on embedded digits."""
    folder = tmp_path_factory.mktemp("results")
    common = ["--dataset", "mnist5k", "--num-images", 20, "--protocol", "paper", "--output", folder]
    assert run("detect", "--attack", "fgsm", "--classifiers", "DFX", "DBX", "--eps", *GRID, *common) == 0
    both = ("--attack", "fgsm", "--classifiers", "DFX", "DBX", "--eps", "0.1", *common)
    assert run("transfer", *both) == 0
    assert run("detect", "--guard", "DBX", *both) == 0
    return folder


@pytest.fixture
def as_official(results, tmp_path):
    """The same results as if they stood on the official test set: what a comparison needs is their form."""
    folder = tmp_path / "official"
    shutil.copytree(results / "mnist5k", folder / "mnist")
    for file in folder.rglob("*-*.json"):
        changed(file, {"dataset": "mnist"})
    return folder


def test_results_have_the_keys_and_values_of_the_papers_figures(results):
    stored = ResultsStore(results).all()
    found = {f.key: f for f in estimates_of(stored)}
    for result in stored:
        s = result["settings"]
        if s["attack"] == "fgsm" and "detection" not in s and "through" not in s:
            one = found["mnist", s["victim"], "fgsm", f"eps={s['eps']:g}", "accuracy_percent"]
            assert (one.value, one.n) == (100 * result["accuracy"]["rate"], 20)
        if "detection" in s and not s["detection"]["chosen_guard"]:
            one = found["mnist", s["victim"], "fgsm", f"eps={s['eps']:g}", "tp_kl_percent"]
            assert one.value == pytest.approx(100 * result["detectors"]["kl"]["tp_class_averaged"])
            assert one.n == result["detectors"]["kl"]["tp"]["n"]
    for name in ("DFX", "DBX"):
        wrong = {
            r["settings"]["eps"]: np.array(r["predictions"])
            for r in stored
            if r["settings"]["attack"] == "fgsm" and r["settings"]["victim"] == name and "predictions" in r
            and "through" not in r["settings"]
        }  # fmt: skip
        y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
        smallest = [min([e for e, p in wrong.items() if p[i] != y[i]], default=0.6) for i in range(20)]
        assert found["mnist", name, "fgsm", "all eps", "min_linf_mean"].value == pytest.approx(np.mean(smallest))


def test_a_transfer_counts_the_images_that_fooled_their_source(results):
    stored = ResultsStore(results).all()
    y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
    own, moved = (
        next(
            r for r in stored if "predictions" in r and r["settings"].get("eps") == 0.1
            and r["settings"]["victim"] == name and r["settings"].get("through", {}).get("source") == source
        )
        for name, source in (("DFX", None), ("DBX", "DFX"))
    )  # fmt: skip
    fooled = np.array(own["predictions"]) != y
    expected = np.mean((np.array(moved["predictions"]) == y)[fooled])
    found = {f.key: f for f in estimates_of(stored)}[
        "mnist", "DBX", "transfer_fgsm", "eps=0.1;from=DFX", "accuracy_percent"
    ]
    assert found.value == pytest.approx(100 * expected)
    assert found.n == fooled.sum() < 20


def test_what_a_guard_notices_of_images_made_against_another_is_of_the_transfer(results):
    stored = ResultsStore(results).all()
    for source in ("DFX", "DBX"):
        (one,) = (
            r for r in stored if r["settings"]["victim"] == source
            and r["settings"].get("detection", {}).get("chosen_guard")
        )  # fmt: skip
        found = {f.key: f for f in estimates_of(stored)}[
            "mnist", "DBX", "transfer_fgsm", f"eps=0.1;from={source}", "tp_kl_percent"
        ]
        assert found.value == pytest.approx(100 * one["detectors"]["kl"]["tp_class_averaged"])
        assert found.n == one["successes"]["count"]


def test_figures_of_another_guards_or_sources_weights_do_not_count(as_official):
    def shown():
        return {k.source for k in best(accepted_estimates(as_official)) if k.attack == "transfer_fgsm"}

    assert shown() == {"DFX", "DBX"}
    for file in as_official.rglob("*_guard_*.json"):
        detection = settings_of(file)["detection"]
        guard = detection["guard_settings"] | {"weights_sha256": "of somebody else"}
        changed(file, {"detection": detection | {"guard_settings": guard}})
    for file in as_official.rglob("transfer_*.json"):
        through = settings_of(file)["through"]
        source = through["settings"] | {"weights_sha256": "of somebody else"}
        changed(file, {"through": through | {"settings": source}})
    assert shown() == set()


@pytest.mark.parametrize("attack", ["checks", "ood", "noise", "onepixel"])
def test_results_that_the_paper_has_none_of_have_no_key(attack):
    assert key_of({"attack": attack, "victim": "GFZ", "dataset": "mnist"}, "accuracy_percent") is None


def test_weights_that_do_not_count_are_not_shown(as_official, tmp_path, capsys):
    for file in as_official.rglob("*-*.json"):
        changed(file, {"weights_sha256": "of somebody else"})
    assert run("table", "F.1", "--classifiers", "DFX", "--output", as_official) == 0
    assert "protocol paper" not in capsys.readouterr().out


def test_a_cw_attack_that_never_succeeds_has_been_measured():
    """So that `table` does not ask for it again and again."""
    settings = {"dataset": "mnist", "victim": "GFZ", "attack": "cw", "c": 0.1, "num_images": 20, "seed": 0}
    settings |= {"protocol": {"name": "paper"}, "samples": 10}
    norms = {"accuracy": rate(20, 20), "perturbation": {"n": 0}}
    found = {f.key.metric: f for f in estimates_of([{"settings": settings} | norms])}
    assert (found["l2_mean"].value, found["accuracy_percent"].value) == (None, 100.0)


@pytest.mark.parametrize("dataset", ["fashion_mnist", "own_images"])
def test_results_on_a_data_set_that_the_paper_has_not_are_left_aside(dataset, as_official, monkeypatch):
    before = len(accepted_estimates(as_official))
    for file in [f for kind in ("fgsm", "clean") for f in (as_official / "mnist").rglob(f"{kind}*-*.json")]:
        changed(file, {"dataset": dataset})
    usual = collect.usable_card

    def card(of, name, folder, **options):
        trained = {"name": name, "sha256": "of one's own", "training": {"epochs": 1}}
        return trained if of == dataset and folder else usual(of, name, folder, **options)

    monkeypatch.setattr("deepbayes.reproduction.collect.usable_card", card)
    assert 0 < len(accepted_estimates(as_official)) < before


def test_no_answer_is_no(monkeypatch, tmp_path):
    """Ctrl-D at the question."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert run("table", "F.1", "--classifiers", "DFX", "--output", tmp_path) == 0


@pytest.mark.parametrize("victim", ["my_zoo", "a_z", "b_z1x"])
def test_a_users_model_may_have_any_name(victim, as_official):
    for file in as_official.rglob("fgsm_*.json"):
        changed(file, {"victim": victim})
    assert ("fgsm", "accuracy_percent") not in {(k.attack, k.metric) for k in best(accepted_estimates(as_official))}


def test_accuracy_up_to_a_bound_counts_images_that_no_eps_fools(results):
    stored = ResultsStore(results).all()
    y = np.array(next(r for r in stored if r["settings"]["attack"] == "clean")["labels"])
    right = [
        np.array(r["predictions"]) == y for r in stored
        if r["settings"]["victim"] == "DFX" and r["settings"]["attack"] == "fgsm" and r["settings"]["eps"] <= 0.3
        and "predictions" in r and "through" not in r["settings"]
    ]  # fmt: skip
    assert len(right) == 3
    found = {f.key: f for f in estimates_of(stored)}["mnist", "DFX", "fgsm", "eps<=0.3", "accuracy_percent"]
    assert found.value == pytest.approx(100 * np.mean(np.all(right, axis=0)))


def test_a_table_shows_ours_the_papers_and_the_difference(as_official, capsys):
    assert run("table", "F.1", "--classifiers", "DFX", "DBX", "--output", as_official) == 0
    text = capsys.readouterr().out
    ours = {f.key: f for f in estimates_of(ResultsStore(as_official).all())}[
        "mnist", "DFX", "fgsm", "eps=0.1", "accuracy_percent"
    ]
    assert f"{ours.value:.1f} +-{ours.half:.1f}" in text
    assert f"70.1 ({ours.value - 70.1:+.1f})" in text
    assert max(map(len, text.splitlines())) <= 100
    assert all(name in text for name in ("DFX", "DBX"))
    written = (as_official / "paper" / "table_f.1.md").read_text()
    assert f"{ours.value:.1f} +-{ours.half:.1f} / 70.1 ({ours.value - 70.1:+.1f})" in written
    assert "20 images, protocol paper" in written
    assert "detected by KL detection" in written


@pytest.mark.parametrize("place", [p for p in places() if p.startswith("Table")])
def test_a_table_of_five_figures_a_row_is_at_most_100_columns_wide(place):
    shown = [f.key for f in figures_of(place) if f.key.metric.endswith("percent") and not why_not_measured(f)]
    ours = {key: figure(55.5, key=key, attack="fgsm") for key in shown}
    for table in tables_of(place, figures_of(place), ours):
        if len(table.heads) > 6:
            continue
        console = Console(width=300, record=True, file=io.StringIO())
        console.print(dataclasses.replace(in_lines(table), caption="", title="").rich())
        assert max(map(len, console.export_text().splitlines())) <= 100


def test_what_is_missing_is_listed_with_hours_and_not_run_unasked(tmp_path, capsys):
    assert run("table", "F.2", "--classifiers", "DFX", "--output", tmp_path) == 0
    out, error = capsys.readouterr()
    assert re.search(r"-\s+│", out)
    assert "47.6" in out
    command = "./run_experiments.sh detect --attack pgd --dataset mnist --classifiers DFX --eps 0.1 0.2 0.3 0.4 0.5"
    assert f"{command} --protocol paper --num-images 100" in error
    assert re.search(r"\d (min|h)\s+in all", error)
    assert "0 of 10 figures are there\n" in error
    assert f"--num-images 100 --output {tmp_path}" in error
    assert "--yes" in error
    assert not (tmp_path / "mnist").exists()


def test_latent_sizes_without_weights_are_trained_first(tmp_path, capsys):
    assert run("table", "A.2", "--dim-z", "16", "--classifiers", "DBX", "--epochs", 3, "--output", tmp_path) == 0
    error = capsys.readouterr().err
    train = "train --dataset mnist --epochs 3 --classifiers DBX --dim-z 16"
    evaluate = f"evaluate --dataset mnist --classifiers DBX --dim-z 16 --weights {tmp_path}/training/mnist"
    assert 0 <= error.index(train) < error.index(evaluate)


def test_figures_of_weights_trained_for_fewer_epochs_count_where_those_were_asked_for(as_official, monkeypatch):
    sha256 = {r["settings"]["victim"]: r["settings"]["weights_sha256"] for r in ResultsStore(as_official).all()}

    def card(dataset, name, folder, **options):
        if folder is None:
            raise FileError("none ship")
        return {"name": name, "sha256": sha256.get(name), "training": {"epochs": 3}}

    monkeypatch.setattr("deepbayes.reproduction.collect.usable_card", card)
    assert accepted_estimates(as_official) == []
    assert accepted_estimates(as_official, epochs=4) == []
    assert len(accepted_estimates(as_official, epochs=3)) > 20
    for chosen in (as_official, own_weights(as_official, "mnist")):
        assert len(accepted_estimates(as_official, weights=chosen)) > 20  # the user's choice
    note = tables_of("Table F.1", figures_of("Table F.1"), {}, "Weights that do not ship had 3 epochs.")[0].caption
    assert note.endswith("Weights that do not ship had 3 epochs.")


def test_the_latent_size_of_a_data_set_is_one_of_the_bottleneck_tables_columns(tmp_path, capsys):
    assert run("table", "A.2", "--dim-z", "64", "--classifiers", "GBZ", "--output", tmp_path) == 0
    assert "97.5" in capsys.readouterr().out  # GBZ's clean accuracy, 97.45


def test_what_the_port_cannot_measure_says_why(tmp_path, capsys):
    assert run("table", "F.23", "--output", tmp_path) == 0
    assert "110 figures (the fusion models on VGG16 features" in capsys.readouterr().err


@pytest.mark.slow
def test_a_table_runs_what_is_missing_when_told_to(mnist_dir, tmp_path, capsys):
    options = ["--classifiers", "DFX", "--num-images", 10, "--data-dir", mnist_dir, "--output", tmp_path, "--yes"]
    assert run("table", "F.1", *options) == 0
    assert "10 images, protocol paper" in capsys.readouterr().out
    made = sorted(p.name for p in (tmp_path / "mnist" / "DFX").glob("*.json"))
    assert sum(name.startswith("fgsm_eps") for name in made) == sum(name.startswith("detect_") for name in made) == 5
    assert run("table", "F.1", *options) == 0  # nothing is missing now
    assert "missing" not in capsys.readouterr().err


@pytest.mark.draws
def test_a_figure_draws_what_is_there_and_says_how_to_make_the_rest(as_official, tmp_path, capsys):
    assert run("figure", "3", "--output", as_official) == 0
    assert (as_official / "paper" / "figure_3.png").read_bytes()[:4] == b"\x89PNG"
    assert run("figure", "B.1", "--output", as_official) == 0
    (makes,) = re.findall(r"run_experiments.sh (detect --attack mim .*)", capsys.readouterr().err)
    assert "--eps 0.1 0.2 0.3 0.4 0.5 --protocol paper --num-images 100" in makes
    assert set(PAPER_CLASSIFIERS) <= set(makes.split())
    assert run("figure", "B.1", "--classifiers", "DFX", "--output", as_official) == 0
    assert "--classifiers DFX --eps 0.1 0.2 0.3 0.4 0.5 --protocol" in capsys.readouterr().err
    assert run("figure", "A.5", "--output", as_official) == 0
    listed = capsys.readouterr().err.splitlines()
    assert any("train --dataset plane_frog" in line for line in listed)
    moved = [line for line in listed if " transfer " in line]
    assert moved
    assert all(f"--weights {as_official}/training/plane_frog" in line for line in moved)
    assert run("figure", "A.4", "--output", as_official) == 0
    listed = capsys.readouterr().err
    assert listed.count("run_experiments.sh transfer --attack") == 2  # PGD, MIM
    assert listed.count("--guard ") == 10  # of the five with a density
    assert not (as_official / "paper" / "figure_b.1.png").exists()


@pytest.mark.draws
def test_the_figure_of_a_transfer_has_accuracy_and_detection_ours_and_the_papers(tmp_path):
    ours = {p.key: figure(p.value, key=p.key) for p in figures_of("Figure A.4")}
    file = draw("Figure A.4", ours, list(PAPER_CLASSIFIERS), tmp_path / "figure.png")
    height, width, _ = plt.imread(file).shape
    assert width > 1.5 * height  # two attacks, ours and the paper's beside each other, two measures
    assert draw("Figure A.4", {}, list(PAPER_CLASSIFIERS), tmp_path / "none.png") is None


def test_a_regression_lists_its_figures_in_one_order_whatever_the_age_of_the_files(results, tmp_path):
    shutil.copytree(results / "mnist5k", tmp_path / "mnist5k")
    before = [c.estimate.key for c in compared([tmp_path])[0]]
    for k, file in enumerate(sorted(tmp_path.rglob("*.json"), reverse=True)):
        os.utime(file, (k, k))
    assert [c.estimate.key for c in compared([tmp_path])[0]] == before
    assert [k.attack for k in before] == sorted(k.attack for k in before)


def test_a_regression_counts_a_figure_once_on_the_most_images_and_a_folder_once(as_official):
    (clean,) = (as_official / "mnist" / "DFX").glob("clean-*.json")
    whole = json.loads(clean.read_text())
    y, predictions = (whole[name][:10] for name in ("labels", "predictions"))
    right = sum(label == predicted for label, predicted in zip(y, predictions, strict=True))
    half = {"n": 10, "labels": y, "predictions": predictions, "accuracy": rate(right, 10)}
    put(as_official, whole | half | {"settings": whole["settings"] | {"num_images": 10}})
    put(as_official, whole | {"settings": whole["settings"] | {"seed": 1}})
    found = compared([as_official, as_official / "mnist" / ".."])[0]
    runs = [c.estimate.settings for c in found if c.estimate.key[1:3] == ("DFX", "clean")]
    assert sorted((s["num_images"], s["seed"]) for s in runs) == [(20, 0), (20, 1)]


def test_a_regression_against_itself_is_within(results, tmp_path, capsys):
    assert run("regression", "--results", results, "--against", results, "--output", tmp_path) == 0
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    assert suite.tag == "testsuite"
    assert int(suite.get("tests")) == len(suite) > 20
    assert suite.get("failures") == "0"
    page = (tmp_path / "regression.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")  # one file, nothing to fetch


def _copied(file: Path, **changed_settings) -> dict:
    """Puts a result beside itself, with other settings and all its images wrong; returns these settings."""
    content = json.loads(file.read_text())
    n, settings = content["n"], content["settings"] | changed_settings
    wrong = {"accuracy": rate(0, n), "predictions": [(label + 1) % 10 for label in content.get("labels", [0] * n)]}
    put(file.parents[2], content | wrong | {"settings": settings})
    return settings


def test_a_regression_holds_each_of_several_weights_against_its_own_run(results, tmp_path):
    shutil.copytree(results, tmp_path / "two")
    (clean,) = (tmp_path / "two" / "mnist5k" / "DFX").glob("clean-*.json")
    _copied(clean, weights_sha256="of somebody else")
    assert run("regression", "--results", tmp_path / "two", "--against", tmp_path / "two", "--output", tmp_path) == 0
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    names = [(case.get("classname"), case.get("name")) for case in suite]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("mnist5k DFX clean accuracy (paper, n = 20, ") for _, name in names) == 2


def test_a_regression_counts_images_of_two_sources_weights_apart(as_official):
    (moved,) = (as_official / "mnist" / "DBX").glob("transfer_fgsm_*_from_DFX-*.json")
    through = json.loads(moved.read_text())["settings"]["through"]
    before = len(compared([as_official], as_official)[0])
    (source,) = (as_official / "mnist" / "DFX").glob("fgsm_eps0.10-*.json")
    there = _copied(source, weights_sha256="of somebody else")
    other = through["settings"] | {"weights_sha256": there["weights_sha256"]}
    _copied(moved, through=through | {"settings": other})
    assert len(compared([as_official], as_official)[0]) == before + 2  # the source's, and what was moved


def test_a_figure_that_moved_is_outside_and_named_everywhere(results, tmp_path, capsys):
    later = tmp_path / "later"
    shutil.copytree(results, later)
    (file,) = (later / "mnist5k" / "DFX").glob("clean-*.json")
    file = changed(file, **with_right_only(5, json.loads(file.read_text())))
    assert run("regression", "--results", later, "--against", results, "--output", tmp_path) == 1
    assert "mnist5k DFX clean accuracy" in capsys.readouterr().out
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert "tolerance" in failed.find("failure").get("message")
    assert "class='outside'" in (tmp_path / "regression.html").read_text()
    written = (tmp_path / "regression.md").read_text()
    assert "**Outside**" in written
    assert f", {settings_hash(settings_of(file))} |" in written.partition("**Every figure outside**")[2]


def test_an_unusual_attack_has_a_name_of_its_own_and_is_not_drawn_beside_the_papers(results, tmp_path, capsys):
    unusual = tmp_path / "unusual"
    shutil.copytree(results, unusual)
    for file in (unusual / "mnist5k").rglob("fgsm_eps*.json"):
        changed(file, {"targeted": True, "options": {"loss": "margin"}})
    assert run("regression", "--results", unusual, "--against", unusual, "--output", tmp_path) == 0
    written = (tmp_path / "regression.md").read_text()
    assert "| mnist5k DFX fgsm eps=0.1 targeted loss=margin accuracy |" in written
    assert (tmp_path / "regression.html").read_text().count("data:image/png") == 1  # ours against theirs alone


def test_what_only_the_earlier_results_have_is_said(results, tmp_path, capsys):
    (clean,) = (results / "mnist5k" / "DFX").glob("clean-*.json")
    fewer = tmp_path / "fewer" / clean.relative_to(results)
    fewer.parent.mkdir(parents=True)
    shutil.copy(clean, fewer)
    assert run("regression", "--results", tmp_path / "fewer", "--against", results, "--output", tmp_path) == 0
    assert "Only in the earlier results" in capsys.readouterr().out
    assert "| mnist5k fgsm accuracy | 12 |" in (tmp_path / "regression.md").read_text()


def test_why_a_figure_is_not_comparable_stands_beside_it_in_the_report(results, tmp_path):
    run("regression", "--results", results, "--output", tmp_path)
    each = (tmp_path / "regression.md").read_text().partition("**Every figure not comparable**")[2]
    rows = [line for line in each.splitlines() if line.startswith("| mnist5k")]
    assert len(rows) > 20
    assert all(row.split(" | ")[-1].strip(" |") for row in rows)
    assert "mnist5k is not the paper's test set |" in rows[0]


def test_other_images_than_the_papers_are_all_not_comparable(results, tmp_path, capsys):
    assert run("regression", "--results", results, "--output", tmp_path) == 2
    assert "nothing was comparable" in capsys.readouterr().err
    suite = ElementTree.parse(tmp_path / "regression.xml").getroot()
    assert suite.get("skipped") == suite.get("tests")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "F.99"], "the paper has no Table F.99; it has 1, 2, 3, A.1"),
        (["figure", "99"], "not one of those that are drawn here: 3, 4"),
        (["table", "F.1", "--dim-z", "7"], "no figure of what was chosen"),
        (["regression", "--results", "/nowhere"], "no results in /nowhere"),
        (["regression", "--against", "README.md"], "takes a results folder"),
        (["regression", "--against", "/nowhere"], "/nowhere, which does not exist"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(arguments, message, tmp_path, capsys):
    assert run(*arguments, "--output", tmp_path) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_tables_keep_to_seven_columns_and_show_every_figure_once():
    for place in places():
        figures = figures_of(place)
        shown = tables_of(place, figures, {})
        cells = [cell for table in shown for row in table.rows for cell in row[1:] if cell]
        assert len(cells) == len({f.key for f in figures})
        assert all(len(table.heads) <= 8 for table in shown)
        assert {f.key.metric for f in figures} <= METRICS.keys()


@pytest.mark.parametrize(
    ("place", "why"),
    [("Table F.6", "only the 1,577 images"), ("Table F.3", "MIM took more than 40 steps"), ("Table F.1", "")],
)
def test_a_table_says_what_of_it_is_not_like_for_like(place, why):
    captions = [t.caption for t in tables_of(place, figures_of(place), {})]
    assert all(why in c for c in captions)
    assert why or not any("not comparable" in c for c in captions)


def test_a_cell_outside_and_one_not_like_for_like_are_marked_and_the_marks_explained():
    keys = [f.key for f in figures_of("Table F.2") if f.key.classifier == "DFX" and f.key.metric == "accuracy_percent"]
    ours = {key: figure(value, key=key) for key, value in zip(keys, (47.0, 30.0, 0.0, 0.0), strict=False)}
    ours[keys[2]].settings["targeted"] = True
    ours[keys[3]].settings["samples"] = 5
    table, *_ = tables_of("Table F.2", figures_of("Table F.2"), ours)
    within, outside, *others, _ = next(cells for name, *cells in table.rows if name == "DFX")
    assert (within[-1], outside[-1], *(cell[-1] for cell in others)) == (")", "!", "†", "*")
    assert "* not comparable: K = 5, the paper's is 10. † not comparable: aimed at a label." in table.caption
    assert "! outside the tolerance." in table.caption
