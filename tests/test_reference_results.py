"""The results that come with the project, and what README.md and docs/ say of them."""

import json
import re

import pytest

from deepbayes.data import mnist
from deepbayes.experiments.command_line import main
from deepbayes.experiments.measurements.intervals import rate
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.zoo import usable_card
from deepbayes.reference.published import PAPER_CLASSIFIERS, Key
from deepbayes.reproduction import docs_pages
from deepbayes.reproduction.collect import COMMITTED, accepted_estimates
from deepbayes.reproduction.compare import INCOMPARABLE, KNOWN, OUTSIDE, WITHIN
from deepbayes.reproduction.regression.command import compared
from deepbayes.reproduction.worst_case import worst_case


@pytest.fixture(scope="module")
def comparisons():
    return compared([COMMITTED])[0]


def test_they_are_of_the_shipped_weights_the_official_test_set_and_the_papers_protocol():
    results = ResultsStore(COMMITTED).all()
    cards = {name: usable_card("mnist", name)["sha256"] for name in PAPER_CLASSIFIERS}
    assert results
    for result in results:
        s = result["settings"]
        assert (s["protocol"]["name"], s["data_sha256"], s["seed"]) == ("paper", mnist.SHA256["test"], 0)
        assert s["weights_sha256"] == cards[s["victim"]]


def test_they_are_json_alone():
    assert {file.suffix for file in COMMITTED.rglob("*") if file.is_file()} == {".json"}
    assert all(json.loads(file.read_text())["versions"] for file in COMMITTED.rglob("*.json"))


@pytest.mark.parametrize("page", docs_pages.pages(), ids=lambda page: page.name)
def test_the_measured_parts_of_a_page_are_those_of_the_results(page):
    """`python -m deepbayes.reproduction.docs_pages` writes them."""
    text = page.read_text()
    assert docs_pages.filled(text) == text


def test_the_pages_of_results_are_among_those_with_measured_parts():
    assert {"verdict.md", "differences.md", "tables.md", "worst-case.md"} <= {page.name for page in docs_pages.pages()}


def test_the_verdict_counts_every_comparison_once(comparisons):
    lines = docs_pages.verdict("").splitlines()[2:]
    *rows, whole = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    for k in range(1, 5):  # accuracy, detection rate, perturbation size, all
        shares = [[int(n) for n in cells[k].split(" of ")] for cells in rows if cells[k]]
        assert whole[k] == "{} of {}".format(*map(sum, zip(*shares, strict=True)))
    assert sum(int(cells[-1] or 0) for cells in rows) == int(whole[-1])
    verdicts = [c.verdict for c in comparisons]
    comparable = len(verdicts) - verdicts.count(INCOMPARABLE)
    assert whole[4:] == [f"{verdicts.count(WITHIN)} of {comparable}", str(verdicts.count(INCOMPARABLE))]


def test_the_worst_case_of_one_classifier_is_its_rows_of_the_whole():
    whole, of_gbz = docs_pages.worst("").splitlines(), docs_pages.worst("GBZ").splitlines()
    assert [line for line in whole if line.startswith("| GBZ")] == [line for line in of_gbz if line.startswith("| G")]


def test_a_measured_part_is_written_anew_and_the_text_around_it_stays():
    text = "A\n\n<!-- measured: accuracy fgsm -->old<!-- end -->\n\nB <!-- measured: count known -->?<!-- end --> C"
    first, between, last = re.split(r"<!-- measured: .+? -->.+?<!-- end -->", docs_pages.filled(text), flags=re.DOTALL)
    assert (first, between, last) == ("A\n\n", "\n\nB ", " C")
    assert "\n| GBZ | 91.5 (92.5) |" in docs_pages.filled(text)
    assert "old" not in docs_pages.filled(text)
    with pytest.raises(KeyError, match="guess"):
        docs_pages.filled("<!-- measured: guess -->93<!-- end -->")


def test_a_figures_table_leaves_out_attacks_without_a_result():
    assert "| GFY | - / 0.137 | - / 1.766 | 2.744 +-0.203 / 2.732 (+0.012) |" in docs_pages.figure("5 l2_mean")
    titles = re.findall(r"^\*\*(.+)\*\*$", docs_pages.figure("A.4 accuracy_percent"), flags=re.MULTILINE)
    assert titles == ["Figure A.4: accuracy, % (mnist, transfer pgd)"]  # not transfer mim, which the paper has, too


def test_hours_of_gpus_are_counted_apart_from_those_of_cores(monkeypatch):
    results = [r for r in ResultsStore(COMMITTED).all() if _is(r, "fgsm", 1000)]
    (one,) = results
    hour = {"seconds": {"attack": 1800.0, "evaluation": 1800.0}}
    on = lambda device: one.to_json() | hour | {"device": device}  # noqa: E731
    rows = {}
    for devices in (["CPU (1 core)"], ["2 GPU (NVIDIA A100-SXM4-40GB), XLA"], ["CPU (4 cores)", "1 GPU (T4), XLA"]):
        monkeypatch.setattr(docs_pages, "_results", lambda devices=devices: [on(device) for device in devices])
        rows[len(rows)] = [line.rsplit("|", 2)[1].strip() for line in docs_pages.runs("").splitlines()[2:]]
    assert rows == {0: ["1.00", "1.0"], 1: ["2.00 GPU", "2.0 GPU"], 2: ["4.00 + 1.00 GPU", "4.0 + 1.0 GPU"]}


@pytest.mark.parametrize("device", ["", "TPU", "CPU", "GPU (T4)"])
def test_an_unknown_device_is_named(device):
    with pytest.raises(ValueError, match=re.escape(repr(device))):
        docs_pages.processors(device)


def test_the_worst_case_is_by_image_over_the_digits_that_all_runs_share():
    results = ResultsStore(COMMITTED).all()
    table = worst_case(results, "mnist")
    right = []
    for name, n in (("fgsm", 1000), ("pgd", 1000), ("mim", 300)):
        alone = next(r for r in results if _is(r, name, n))["predictions"]
        labels = next(r for r in results if _is(r, "clean", n))["labels"]
        right.append([alone[k] == labels[k] for k in range(0, n, n // 100)])  # n digits at even distances of 10,000
    heads, cells = table.heads[1:], next(cells for name, *cells in table.rows if name == "DFZ, eps 0.1")
    shown = dict(zip(heads, cells, strict=True))
    assert [shown["FGSM"], shown["PGD"], shown["MIM"]] == [str(sum(r)) for r in right]
    assert int(cells[-1]) <= sum(all(of) for of in zip(*right, strict=True)) < min(map(sum, right))
    assert "same 100 test images" in table.caption


def test_the_worst_case_is_over_runs_alike_of_the_seven():
    results = ResultsStore(COMMITTED).all()
    other = [r["settings"] for r in results if _is(r, "pgd", 1000)]
    changed = ({"victim": "DFZ_z16"}, {"seed": 1}, {"targeted": True}, {"protocol": {"name": "corrected"}})
    wrong = {"n": 1000, "accuracy": rate(0, 1000), "predictions": [-1] * 1000}
    others = [{"settings": s | change} | wrong for s in other for change in changed]
    assert worst_case(results + others, "mnist") == worst_case(results, "mnist")


def _is(result: dict, attack: str, n: int) -> bool:
    s = result["settings"]
    usual = "detection" not in s and s.get("options", {}).get("steps", 40) == 40 and "through" not in s
    return usual and (s["victim"], s["attack"], s.get("eps", 0.1), s["num_images"]) == ("DFZ", attack, 0.1, n)


def test_nine_in_ten_of_the_comparable_figures_are_within(comparisons):
    verdicts = [c.verdict for c in comparisons]
    assert verdicts.count(OUTSIDE) == 0
    assert verdicts.count(WITHIN) >= 9 * verdicts.count(KNOWN)
    assert verdicts.count(WITHIN) > verdicts.count(INCOMPARABLE)


@pytest.mark.parametrize("name", ["F.1", "F.2", "A.1"])
def test_a_table_prints_from_them_without_running_anything(name, tmp_path, capsys):
    assert main.main(["table", name, "--output", str(tmp_path)]) == 0
    out, error = capsys.readouterr()
    assert "protocol paper" in out
    assert "missing" not in error


def test_table_f4_prints_from_them_at_the_c_that_was_run_on_all_and_names_the_rest(tmp_path, capsys):
    assert main.main(["table", "F.4", "--output", str(tmp_path)]) == 0
    out, error = capsys.readouterr()
    ours = {f.key for f in accepted_estimates(COMMITTED)}
    assert all(Key("mnist", name, "cw", "c=10", "accuracy_percent") in ours for name in PAPER_CLASSIFIERS)
    assert "protocol paper" in out
    assert "--c 0.1 " in error  # 1,000 steps an image: said, not run
    assert not (tmp_path / "mnist").exists()
