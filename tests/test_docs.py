"""The pages hold: links and anchors lead somewhere, commands parse, snippets run, generated parts are up to date."""

import argparse
import ast
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from deepbayes import ROOT
from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import DATASETS
from deepbayes.documentation import commands, python_api
from deepbayes.documentation.markdown import wrapped
from deepbayes.documentation.pages import FOLDER, filled, parts_of
from deepbayes.experiments.command_line.commands import HANDED_ON
from deepbayes.experiments.command_line.read_settings import run_settings
from deepbayes.experiments.settings.attack_plan import plan_of
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.experiments.store.results import ResultsStore
from deepbayes.reproduction.collect import COMMITTED
from page import Page

pytestmark = pytest.mark.skipif(not (ROOT / "CONTRIBUTING.md").exists(), reason="the images hold no pages")
FILES = [
    *map(ROOT.joinpath, ("README.md", "CONTRIBUTING.md", "legacy_port/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUN = (ROOT / "README.md",)
"""Pages whose Python snippets are run."""
PLACEHOLDERS = {w for w in commands.placeholders() if re.fullmatch(r"[A-Z][A-Za-z.|]*", w)} | {"COMMAND", "FILE", "DIR"}
"""Words that stand for what the reader puts in: those of the help texts (FILE, DIR, N, NAME ...), and COMMAND. So do
`$name`, `<name>` and, for the rest of a command line, `...`."""
of_each_page = pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())


# ---- tables ----------------------------------------------------------------------------------------------------------


@of_each_page
def test_every_row_of_a_table_has_all_cells(file):
    assert [*_page(file).ragged_rows()] == []


def test_ragged_rows_are_found():
    text = "| a | b |\n|---|---|\n| `x|y` | z |\n| `x\\|y` | |\n\n```\n| a |\n```\n"
    assert [*Page(text).ragged_rows()] == [3]


# ---- links -----------------------------------------------------------------------------------------------------------


def broken_links(page: Page, file: Path) -> list[str]:
    """Links of a page at `file` that lead nowhere in this repository; those to elsewhere are not followed."""
    found = []
    for line, target in page.links():
        if re.match(r"[a-z][a-z0-9+.-]*:|//", target):
            continue
        path, _, name = unquote(target).partition("#")
        to = (file.parent / path).resolve() if path else file
        if path and not (to.is_relative_to(ROOT) and to.exists()):
            found.append(f"{line}: {target}")
        elif name and to.suffix == ".md" and name not in (page if to == file else _page(to)).anchors:
            found.append(f"{line}: {target}: no such heading")
    return found


@cache
def _page(file: Path) -> Page:
    return Page.of(file)


@of_each_page
def test_every_link_leads_somewhere(file):
    broken = broken_links(_page(file), file)
    assert not broken, "\n".join(broken)


def test_broken_links_are_found():
    text = (
        "# A `b` title\n\n## A b title\n\n[1](#a-b-title) [2](#a-b-title-1) [3](#other) [4](README.md#none)\n"
        "[5](none.md) ![6](docs/none.png) [7](../x) [8](https://example.org/none) `[9](none)`\n"
        '\n<a id="here"></a>\n\n[10](#here) [11](CONTRIBUTING.md)\n\n```\n[12](none)\n```\n'
    )
    found = broken_links(Page(text), ROOT / "page.md")
    assert [line.split(": ", 1)[1] for line in found] == [
        "#other: no such heading", "README.md#none: no such heading", "none.md", "docs/none.png", "../x",
    ]  # fmt: skip


# ---- commands --------------------------------------------------------------------------------------------------------


class _Choices(tuple):
    def __contains__(self, value) -> bool:
        return super().__contains__(value) or _is_placeholder(value)


def _is_placeholder(word) -> bool:
    return isinstance(word, str) and (word in PLACEHOLDERS or re.fullmatch(r"\$\{?\w+\}?|<[^>]+>", word) is not None)


@cache
def _parsers() -> dict:
    """The real parsers, which take placeholders for values, too, and raise where they would exit."""
    parsers = commands.parsers()
    for parser in [q for p in parsers.values() for q in (p, *commands.subcommands(p).values())]:
        parser.error = _raise
        for action in parser._actions:
            if action.type:
                action.type = _or_placeholder(action.type)
            if action.choices and not isinstance(action, argparse._SubParsersAction):
                action.choices = _Choices(action.choices)
    return parsers


def _raise(message: str):
    raise UsageError(message)


def _or_placeholder(read):
    def either(text: str):
        return text if _is_placeholder(text) else read(text)

    either.__name__ = getattr(read, "__name__", str(read))
    return either


_INCOMPLETE = re.compile(r"the following arguments are required|expected (one|at least one|\d) argument")


def fault_of(arguments: tuple[str, ...], fragment: bool) -> str:
    """What the program would say of a command line; "" where it would take it. A fragment may lack arguments."""
    shown = [a for a in arguments if a not in ("...", "[options]")]
    fragment = fragment or len(shown) < len(arguments)
    if not shown or _is_placeholder(shown[0]) or shown[0] in ("test", "--help", "--version"):
        return ""
    if shown[0] not in _parsers():
        return f"no command {shown[0]}"
    parser = _parsers()[shown[0]]
    if commands.subcommands(parser) and (len(shown) < 2 or _is_placeholder(shown[1])):
        return ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            options = parser.parse_args(shown[1:])
        if shown[0] not in HANDED_ON and not any(map(_is_placeholder, shown)):
            _plan(shown[0], options)
    except UsageError as error:
        return "" if fragment and _INCOMPLETE.search(str(error)) else str(error)
    except SystemExit:  # after --help
        return ""
    return ""


def _plan(name: str, options) -> None:
    """What a run reads of its options before it computes. Raises UsageError."""
    if name in ("report", "table", "figure", "regression"):
        return
    options.command = name
    settings = run_settings(options)
    if settings.attack:
        plan_of(settings.attack, settings.dataset if settings.dataset in DATASETS else "mnist", settings.protocol)


@of_each_page
def test_every_command_parses(file):
    """Of a command that the page itself adds, by an entry of a registry in its code, the name alone is known."""
    adds = set(re.findall(r'^ {4,}"(\w+)", "', file.read_text(), re.MULTILINE))
    listed = [c for c in _page(file).commands() if not adds.intersection(c.arguments[:1])]
    faults = [(c, fault_of(c.arguments, c.fragment)) for c in listed]
    assert not any(f for _, f in faults), "\n".join(f"{c.line}: {' '.join(c.arguments)}: {f}" for c, f in faults if f)


OF_OTHER_PROGRAMS = {"--check", "--gpus", "--rm", "--build", "--user"}
"""Options that pages name, of `python -m deepbayes.documentation`, of ruff, of Docker and of pip."""


@of_each_page
def test_every_option_exists(file):
    parsers = [q for p in _parsers().values() for q in (p, *commands.subcommands(p).values())]
    known = {option for parser in parsers for action in parser._actions for option in action.option_strings}
    unknown = [f"{line}: {option}" for line, option in _page(file).options() if option not in known | OF_OTHER_PROGRAMS]
    assert not unknown, "\n".join(unknown)


@pytest.mark.parametrize(
    "line",
    [
        "./run_experiments.sh pgd --nothing", "./run_experiments.sh pgd --protocol 2020", "deepbayes nothing",
        "./run_experiments.sh pgd --classifiers GBX", "./run_experiments.sh pgd --num-images many",
        "./run_experiments.sh cw --eps 0.1", "$ ./run_experiments.sh pgd --steps few", "./run_experiments.sh table",
        "docker compose run cpu ./run_experiments.sh pgd --nothing", "cd here && ./run_experiments.sh pgd --nothing",
        "~/deepbayes/run_experiments.sh legacy attack --nothing", "time A=1 deepbayes parity",
        "deepbayes fgsm \\\n  -x", "python -m deepbayes pgd --nothing", "deepbayes detect --attack fgsm --c 1",
    ],
)  # fmt: skip
def test_commands_that_do_not_parse_are_found(line):
    (command,) = Page(f"```bash\n{line}\n```\n").commands()
    assert fault_of(command.arguments, command.fragment)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("```bash\n./run_experiments.sh COMMAND --help   # a word\n./run_experiments.sh test -k docs\n```", 2),
        ("```\n$ deepbayes train --data DIR --classifiers NAME ...\ndeepbayes: a word\ndeepbayes/ a folder\n```", 1),
        ("`table --yes`, `pgd --steps`, `legacy COMMAND ...`, `deepbayes table ...`, `pgd`, `deepbayes.attack`", 3),
        ("```python\ndeepbayes nothing\n```", 0),
        ("```bash\nfor s in 0 1; do ./run_experiments.sh pgd --seed $s; done\n```", 1),
    ],
)
def test_commands_are_found_and_placeholders_understood(text, number):
    found = list(Page(text + "\n").commands())
    assert [fault_of(c.arguments, c.fragment) for c in found] == [""] * number


# ---- Python ----------------------------------------------------------------------------------------------------------


@of_each_page
def test_every_import_of_this_project_is_there(file):
    missing = []
    for snippet in _page(file).snippets():
        for node in ast.walk(ast.parse(snippet.code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "deepbayes":
                module = importlib.import_module(node.module)
                missing += [f"{snippet.line}: {a.name}" for a in node.names if not hasattr(module, a.name)]
    assert missing == []


def _snippets() -> list:
    found = [(f, s) for f in RUN if f.exists() for s in _page(f).snippets()]
    return [pytest.param(f, s, id=f"{f.name}:{s.line}", marks=pytest.mark.slow) for f, s in found]


def run_snippet(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Runs code as a reader would: as a file of an empty folder, in a process of its own, on the embedded digits."""
    ours = ("DEEPBAYES", "PYTEST", "PYTHON", "COV_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(folder / "keras"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    (folder / "snippet.py").write_text(code)
    return subprocess.run(
        [sys.executable, "snippet.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )  # fmt: skip


@pytest.mark.parametrize(("file", "snippet"), _snippets())
def test_every_snippet_runs_as_it_stands(file, snippet, tmp_path):
    if snippet.not_run:
        pytest.skip(snippet.not_run)
    done = run_snippet(snippet.code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_snippets_are_found_run_and_left_out(tmp_path):
    text = (
        "```python\nfrom pathlib import Path\nPath('here').write_text(str(len([*Path().iterdir()])))\n```\n\n"
        "<!-- not run: it needs a camera -->\n\n```python\n1 / 0\n```\n\n```bash\nls\n```\n"
    )
    first, second = Page(text).snippets()
    assert (first.line, first.not_run, second.not_run) == (1, "", "it needs a camera")
    assert run_snippet(first.code, tmp_path).returncode == 0
    assert (tmp_path / "here").read_text() == "1"  # the snippet itself
    assert "ZeroDivisionError" in run_snippet(second.code, tmp_path).stderr


# ---- generated pages -------------------------------------------------------------------------------------------------


def test_the_reference_is_what_the_code_makes_now():
    command = [sys.executable, "-P", "-m", "deepbayes.documentation", "--check"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    cure = "write the pages anew: python -m deepbayes.documentation"
    assert (done.returncode, done.stdout) == (0, ""), f"{done.stdout}{done.stderr}{cure}"


def test_a_part_is_written_anew_and_an_unknown_one_is_refused():
    old = "before\n<!-- generated: options noise -->\nold\n<!-- end -->\nafter\n"
    assert filled(filled(old)) == filled(old)
    assert "old" not in filled(old)
    assert filled(old).startswith("before\n<!-- generated: options noise -->")
    with pytest.raises(KeyError):
        filled(old.replace("options noise", "nothing"))


def test_every_field_and_argument_of_the_api_is_described():
    undescribed = []
    for file, name in ((f, n) for files in python_api.API.values() for f, names in files.items() for n in names):
        text = python_api.object_section(file, name)
        undescribed += [f"{name}.{n}" for n in python_api.names_to_describe(file, name) if f"`{n}`: " not in text]
    assert undescribed == []


def test_prose_is_wrapped_and_tables_and_code_are_not():
    prose, row = "word " * 60, "| " + "cell " * 60 + "|"
    text = wrapped(f"- {prose}\n{row}\n```\n{prose}\n```\n{prose}")
    lines = text.splitlines()
    assert [line for line in lines if len(line) > 120] == [row, prose]
    assert [line[:6] for line in lines[:3]] == ["- word", "  word", "  word"]
    assert wrapped(text) == text


def test_every_attack_has_its_section():
    page = FOLDER / "attacks.md"
    assert [f"options {name}" for name in ATTACKS if f"options {name}" not in parts_of(page.read_text())] == []
    assert {*ATTACKS, "greybox", "blackbox", "transfer"} <= _page(page).anchors


SECTIONS = {"clean": "Clean", "attack": "Attack", "detection": "Detection"}
RATE = {"count", "n", "rate", "low", "high"}


@pytest.mark.parametrize("kind", SECTIONS)
def test_the_page_of_the_result_file_names_every_part(kind):
    text = (FOLDER / "result-file.md").read_text()
    sections = dict(zip(*[iter(re.split(r"^##+ (.+)\n", text, flags=re.MULTILINE)[1:])] * 2, strict=True))
    named = {part: set(re.findall(r"`(\w+)`", section)) for part, section in sections.items()}
    beside, settings = set(), set()
    for result in ResultsStore(COMMITTED).all():
        if kind == result.KIND:
            content = json.loads(json.dumps(result.content))
            settings |= {*content.pop("settings")}
            beside |= content.keys() | {n for v in content.get("detectors", {}).values() for n in v}
    assert beside - named["Every kind"] - named[SECTIONS[kind]] == set()
    assert settings - named["Settings"] == set()


# ---- the action ------------------------------------------------------------------------------------------------------


def test_the_action_runs_suite_and_linter():
    action = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert {*action[True]} == {"push", "pull_request"}  # YAML reads the key `on` as true
    (job,) = action["jobs"].values()
    python = next(s["with"] for s in job["steps"] if s.get("uses", "").startswith("actions/setup-python"))
    assert (python["python-version"], python["cache"]) == ("3.11", "pip")
    runs = "\n".join(s.get("run", "") for s in job["steps"])
    assert "./run_experiments.sh test" in runs
    assert "ruff check ." in runs
    assert "ruff format --check ." in runs
