"""`report --html` and `report --csv`: what they hold, whose images they show, and that nothing of a file is markup."""

import csv
import io
import itertools
import re
import shutil
from html.parser import HTMLParser

import pytest
import web_store

from conftest import ROOT
from deepbayes.experiments.reporting.web import ranking
from deepbayes.experiments.reporting.web.charts import DARK, LIGHT, contrast, looks, marker_path
from deepbayes.experiments.reporting.web.csv_file import COLUMNS, csv_text
from deepbayes.experiments.reporting.web.page import TEMPLATES
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.models.registry import CLASSIFIERS
from deepbayes.reproduction.collect import COMMITTED
from deepbayes.reproduction.worst_case import worst_case
from helpers import run

PAGE = ROOT / "docs" / "results" / "index.html"


class Parsed(HTMLParser):
    """Tags that are opened, with their attributes, and the text of all elements but styles and scripts."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self._inside, self._raw = [], [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._raw = tag in ("style", "script")

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, text):
        if not self._raw:
            self.texts.append(text)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ResultsStore:
    return web_store.fill(tmp_path_factory.mktemp("store"))


def page_of(store: ResultsStore, *arguments) -> str:
    assert run("report", "--html", "--output", store.root, *arguments) == 0
    return (store.root / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(store) -> str:
    return page_of(store)


@pytest.fixture(scope="module")
def parsed(html) -> Parsed:
    return Parsed(html)


# ---- one file that needs no other ------------------------------------------------------------------------------------


def test_the_page_needs_nothing_from_elsewhere(html, parsed):
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", html)
    assert "url(" not in html
    assert "@import" not in html
    assert [a.keys() for a in parsed.all("script")] == [set()]
    (policy,) = (a["content"] for a in parsed.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_command_says_where_the_file_is_and_damage_does_not_end_it(store, capsys):
    assert run("report", "--html", "--csv", "--output", store.root) == 0
    told = capsys.readouterr().err
    assert f"results: {store.root}/report.html" in told
    assert f"results: {store.root}/report.csv" in told
    for damaged in ("broken", "deep", "foreign", "binary"):
        assert f"{damaged}-0123456789.json" in told
    assert "GBZ/pgd_eps0" in told  # its arrays are cut off


def test_to_names_the_one_file(store, tmp_path, capsys):
    file = tmp_path / "new folder" / "page.html"
    assert run("report", "--html", "--output", store.root, "--to", file) == 0
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    for both in (["--html", "--csv"], []):
        assert run("report", *both, "--output", store.root, "--to", file) == 2
        assert "--to names one file" in capsys.readouterr().err
    assert run("report", "--html", "--output", store.root, "--to", tmp_path) == 2
    assert f"{tmp_path} is a folder" in capsys.readouterr().err


def test_a_protocol_and_a_data_set_choose_results(store, capsys):
    assert "GBZ" in page_of(store, "--protocol", "corrected", "--dataset", "own_patients")
    assert run("report", "--html", "--output", store.root, "--protocol", "paper") == 2
    assert "no results of protocol paper" in capsys.readouterr().err
    assert run("report", "--csv", "--output", store.root, "--dataset", "plane_frog") == 2


# ---- names -----------------------------------------------------------------------------------------------------------


def test_no_text_of_a_file_becomes_markup(html, parsed):
    plain = html.replace((TEMPLATES / "script.js").read_text(encoding="utf-8").strip(), "")
    assert len(parsed.all("script")) == 1
    assert "alert(" in parsed.text
    assert not [a for _, attributes in parsed.tags for a in attributes if a.startswith("on")]
    assert all(a["src"].startswith("data:image/png;base64,") for a in parsed.all("img"))
    for forbidden in ("<b>option", "<i>card", "<script>alert", "\u202e", "\ud800"):
        assert forbidden not in plain
    for name in (n for n in web_store.HOSTILE if len(n) < 60):
        assert visible(name) in parsed.text
    assert web_store.HOSTILE_OPTION in parsed.text
    assert "49" not in [t.strip() for t in parsed.texts]  # a template in a name is text, too


def test_every_model_has_a_row_a_section_and_a_choice_of_its_own(parsed):
    options = parsed.all("option")
    assert len(options) >= len(web_store.HOSTILE) + len(web_store.MANY) + 2
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"] for a in parsed.all("a")}
    assert links <= {f"#{i}" for i in ids}


# ---- images ----------------------------------------------------------------------------------------------------------


def test_images_are_shown_of_published_data_sets_alone(store, parsed):
    images = parsed.all("img")
    assert images
    assert all(a["alt"] for a in images)
    assert "The image before the attack and after it, true class 0, predicted 7" in {a["alt"] for a in images}
    own = Parsed(page_of(store, "--dataset", "own_patients"))
    assert own.all("img") == []
    assert Parsed(page_of(store, "--dataset", "own_patients", "--images", "all")).all("img")
    assert Parsed(page_of(store, "--images", "none")).all("img") == []


def test_there_is_no_image_where_the_arrays_are_missing(store, tmp_path):
    shutil.copytree(store.root / "own_patients", tmp_path / "own_patients")
    for file in tmp_path.glob("*/*/*.npz"):
        file.unlink()
    assert Parsed(page_of(ResultsStore(tmp_path), "--images", "all")).all("img") == []


# ---- what it says ----------------------------------------------------------------------------------------------------


def test_rows_hold_settings_hashes_and_detection(parsed):
    for text in ("a" * 64, "d" * 64, "weights, sha256", "protocol.name", "Model card of the weights aaaaaa"):
        assert any(text in t for t in parsed.texts), text
    assert "Detection by the detectors of DFX" in parsed.text
    assert "75.0 (30.1 \N{EN DASH} 95.4), 3 of 4" in parsed.text


def test_tables_have_captions_and_heads_have_scopes(html, parsed):
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert {a.get("scope") for a in parsed.all("th")} == {"col", "row", "colgroup"}
    assert len(parsed.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert parsed.all("html") == [{"lang": "en"}]


def test_the_same_results_make_the_same_bytes_in_any_order(store, html, tmp_path):
    shutil.copytree(store.root, tmp_path / "copy", copy_function=shutil.copy)  # with other times
    assert page_of(ResultsStore(tmp_path / "copy")) == html


# ---- the ranking -----------------------------------------------------------------------------------------------------


def test_a_classifier_that_faced_fewer_attacks_is_not_ranked(tmp_path):
    store = ResultsStore(tmp_path)
    for name, rights in (("GBZ", (6, 5)), ("DFX", (2, 1)), ("mine", (8,))):
        web_store.clean(store, name)
        for attack, right in zip(("fgsm", "pgd"), rights, strict=False):
            web_store.attacked(store, name, attack, 0.1, right)
    (found,) = ranking.rankings(store.all())
    assert [(c.name, c.ranks, c.missing) for c in found.classifiers] == [
        ("GBZ", (1, 2), ()), ("DFX", (1, 2), ()), ("mine", None, ("PGD",)),
    ]  # fmt: skip
    assert [c.by_eps[0.1].accuracy.count for c in found.classifiers] == [5, 1, 8]
    assert found.classifiers[0].hours == 2.5


def test_ranks_differ_where_intervals_do_not_meet(tmp_path):
    store = ResultsStore(tmp_path)
    for name, right in (("GBZ", 8), ("DFX", 0)):
        web_store.clean(store, name)
        web_store.attacked(store, name, "pgd", 0.1, right)
    (found,) = ranking.rankings(store.all())
    assert [c.ranks for c in found.classifiers] == [(1, 1), (2, 2)]


def test_known_noise_targets_and_moved_images_do_not_count(tmp_path):
    store, through = ResultsStore(tmp_path), {"kind": "transfer", "source": "DFX", "settings": {}}
    web_store.clean(store, "GBZ")
    for more in ({"known_noise": True}, {"targeted": True}, {"through": through}):
        web_store.attacked(store, "GBZ", "pgd", 0.1, 0, **more)
    assert ranking.rankings(store.all()) == []


def test_the_worst_case_is_that_of_the_documentation():
    results = ResultsStore(COMMITTED).all()
    expected = {row[0]: row[-1] for row in worst_case(results, "mnist").rows}
    (found,) = ranking.rankings(results)
    ours = {
        f"{c.name}, eps {eps:g}": f"{100 * case.accuracy.rate:.0f}"
        for c in found.classifiers
        for eps, case in c.by_eps.items()
        if eps <= 0.3
    }
    assert ours == expected


# ---- the CSV ---------------------------------------------------------------------------------------------------------


def test_the_csv_has_a_row_a_result(store):
    assert run("report", "--csv", "--output", store.root) == 0
    text = (store.root / "report.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    results = store.all()
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(results) == len(text.splitlines()) - 1
    assert {row["file"] for row in rows} == {
        visible(store.file(r.settings).relative_to(store.root).as_posix()) for r in results
    }
    assert {row["kind"] for row in rows} == {"clean", "attack", "detection", "out_of_distribution", "checks"}
    about = {
        r["kind"]: r
        for r in rows
        if (r["classifier"], r["attack"], r["budget"], r["dataset"]) == ("GBZ", "FGSM", "0.1", "mnist5k")
    }
    one, of = about["attack"], about["detection"]
    assert (one["accuracy_percent"], one["paper_percent"], one["seconds"], one["n"]) == ("75.0", "92.5", "3600.0", "8")
    assert (of["detected_kl_percent"], of["rejected_any_percent"], of["guard"]) == ("75.0", "12.5", "GBZ")


def test_no_name_in_the_csv_is_a_formula_or_breaks_a_line(store):
    rows = list(csv.DictReader(io.StringIO(csv_text(store.all()))))
    names = {row["classifier"] for row in rows}
    assert {"'=1+1", "two\\nlines", "<script>alert(1)</script>"} <= names
    assert not [v for row in rows for v in row.values() if v.startswith(("=", "+", "@"))]


# ---- colours ---------------------------------------------------------------------------------------------------------


def test_lines_are_seen_on_light_and_dark():
    for look in looks([*CLASSIFIERS, "mine", "other"]):
        for colour, background in ((look.light, LIGHT), (look.dark, DARK)):
            rgb = tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
            assert contrast(rgb, background) >= 2.95


@pytest.mark.parametrize("marker", [*"osD^vPX*<>", "?"])
def test_every_marker_is_a_closed_path(marker):
    assert re.fullmatch(r"M[-\d.,]+(?:L[-\d.,]+)+Z|M[-\d.,]+(?:a[-\d., ]+)+", marker_path(marker, 10, 10))


# ---- the committed page ----------------------------------------------------------------------------------------------


def test_the_committed_page_is_what_the_generator_makes(tmp_path):
    """`./run_experiments.sh report --html --images none --output results/reference --to docs/results/index.html`."""
    file = tmp_path / "index.html"
    assert run("report", "--html", "--images", "none", "--output", COMMITTED, "--to", file) == 0
    assert PAGE.stat().st_size < 1_500_000
    assert file.read_bytes() == PAGE.read_bytes()
