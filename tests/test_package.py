"""The package `deepbayes`, installed from a wheel; and a fresh clone, which prints its help without any package."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT
from deepbayes.experiments.command_line.commands import COMMANDS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LISTED = PROJECT["tool"]["setuptools"]["packages"]
DATA_ALONE = {"deepbayes.results"}
"""Packages that are a folder without modules."""
ROOMS = sorted({name.split(".")[1] for name in LISTED if "." in name} | {"deepbayes"})
"""Folders of the checkout that are part of the package."""
FILES = ("pyproject.toml", "README.md", "LICENSE", "run_experiments.sh")
NO_INDEX = ("No matching distribution found for setuptools", "Failed to establish a new connection")
"""What pip says where no index can be reached."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of what a clone has of the package, without .venv and what stands beside the code here."""
    copy = tmp_path_factory.mktemp("clone") / "checkout"
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", ".venv")
    for room in (r for r in ROOMS if r != "results"):
        shutil.copytree(ROOT / room, copy / room, ignore=left_out)
    shutil.copytree(ROOT / "results" / "reference", copy / "results" / "reference", ignore=left_out)
    for file in (*map(ROOT.joinpath, FILES), *ROOT.glob("requirements*.txt")):
        shutil.copy(file, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    """The wheel of the checkout."""
    source, folder = tmp_path_factory.mktemp("build") / "source", tmp_path_factory.mktemp("wheel")
    shutil.copytree(checkout, source)  # a build leaves files behind
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--retries", "1", "--wheel-dir", str(folder)]
    command += ["--no-build-isolation"] if _has_setuptools() else []
    built = subprocess.run([*command, str(source)], env=_environment(), capture_output=True, text=True)
    if built.returncode and any(words in built.stdout + built.stderr for words in NO_INDEX):
        pytest.skip("needs setuptools 80 or later, or an index that has it, to build a wheel")
    assert built.returncode == 0, built.stderr
    (file,) = folder.glob("*.whl")
    return file


def _has_setuptools() -> bool:
    """Whether this interpreter's setuptools is one that pyproject.toml asks for."""
    try:
        import setuptools
        import wheel  # noqa: F401
    except ImportError:
        return False
    (required,) = (r for r in PROJECT["build-system"]["requires"] if r.startswith("setuptools>="))
    return int(setuptools.__version__.split(".")[0]) >= int(required.partition(">=")[2])


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `bin` of an environment that holds the package, and borrows all else from this interpreter."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(pip, env=_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def _environment(**more: str) -> dict[str, str]:
    """Without what points at the checkout, at data sets or at results."""
    ours = ("DEEPBAYES", "PYTEST", "PYTHON", "COV_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


@pytest.fixture
def run(installed, tmp_path):
    """Runs a program of that environment in an empty folder outside the checkout, MNIST not at hand."""
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(installed / program), *arguments], cwd=empty, env=_environment(KERAS_HOME=str(tmp_path / "keras")),
            capture_output=True, text=True,
        )  # fmt: skip

    run.folder = empty
    return run


# ---- what is installed -----------------------------------------------------------------------------------------------


def test_every_folder_with_modules_is_a_package_and_nothing_else_is():
    found = {"deepbayes"}
    for room in ROOMS:
        for file in (ROOT / room).rglob("__init__.py"):
            folder = file.parent.relative_to(ROOT)
            found.add(".".join(folder.parts if folder.parts[0] == "deepbayes" else ("deepbayes", *folder.parts)))
    with_modules = {f.parent for f in ROOT.glob("*/__init__.py")} - {ROOT / "deepbayes"}
    assert {f.name for f in with_modules} <= {*ROOMS}
    assert len(LISTED) == len(set(LISTED))
    assert set(LISTED) == found | DATA_ALONE
    loose = {f.parent for r in ROOMS for f in (ROOT / r).rglob("*.py") if not (f.parent / "__init__.py").exists()}
    assert not loose


def test_the_pins_of_the_extras_are_those_of_the_files():
    for extra, pins in PROJECT["project"]["optional-dependencies"].items():
        lines = (ROOT / f"requirements-{extra}.txt").read_text().split("\n")
        assert pins == [line for line in lines if line and not line.startswith(("-r ", "#"))]


def test_a_wheel_holds_every_module_and_all_data_below_one_name(wheel, checkout):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith(".dist-info/METADATA"))
    tops = {name.split("/")[0] for name in names}
    assert tops == {"deepbayes", "deepbayes-1.0.0.dist-info"}
    parts = {f.relative_to(checkout).as_posix() for r in ROOMS for f in (checkout / r).rglob("*") if f.is_file()}
    expected = {p for p in parts if p.endswith((".py", ".json", ".npz", ".csv", ".html", ".css", ".js"))}
    inside = {name.removeprefix("deepbayes/") for name in names if name.startswith("deepbayes/")}
    assert {p.removeprefix("deepbayes/") for p in expected} == inside
    needs = {line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    pins = {line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"}
    assert {n for n in needs if "extra ==" not in n} == pins


def test_a_classifier_is_loaded_with_its_weights_from_any_folder(run):
    code = (
        "from deepbayes.models.zoo import load_classifier; import deepbayes\n"
        "classifier = load_classifier('mnist', 'GBZ')\n"
        "print(classifier.name, classifier.parameters, deepbayes.load_classifier is load_classifier)\n"
        "print(deepbayes.__path__)"
    )
    done = run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    told, where = done.stdout.splitlines()[-2:]
    name, parameters, same = told.split()
    assert (name, int(parameters) > 1_000_000, same) == ("GBZ", True, "True")
    assert str(ROOT) not in where


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "deepbayes"])
def test_no_room_of_the_house_is_a_module_of_its_own(installed, room):
    (packages,) = installed.parent.glob("lib/python*/site-packages")
    assert (packages / "deepbayes" / room).is_dir()
    assert not (packages / room).exists()


def test_the_command_knows_its_version_and_its_name(run):
    version, text = run("deepbayes", "--version"), run("deepbayes", "fgsm", "--help")
    assert (version.stdout, version.returncode) == ("deepbayes 1.0.0\n", 0)
    assert text.stdout.startswith("usage: deepbayes fgsm ")


def test_an_attack_writes_into_the_folder_where_it_was_called(run):
    arguments = "fgsm --classifiers DFX --num-images 4 --samples 2 --eps 0.1"
    done = run("deepbayes", *arguments.split())
    assert done.returncode == 0, done.stderr
    assert "DFX" in done.stdout
    assert [f.name for f in run.folder.iterdir()] == ["results"]
    assert [f.name[:13] for f in (run.folder / "results" / "mnist5k" / "DFX").glob("fgsm*.json")] == ["fgsm_eps0.10-"]


def test_a_table_prints_from_the_results_that_come_with_it(run):
    done = run("deepbayes", "table", "F.1")
    assert done.returncode == 0, done.stderr
    assert "protocol paper" in done.stdout
    assert "missing" not in done.stderr


def test_a_web_page_is_written_from_the_results_that_come_with_it(run):
    stored = ROOT / "results" / "reference"
    done = run("deepbayes", "report", "--html", "--output", str(stored), "--to", "page.html")
    assert done.returncode == 0, done.stderr
    assert (run.folder / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


# ---- a fresh clone ---------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path) -> dict[str, str]:
    """A PATH whose python has no packages, and makes no environment."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        f'#!/bin/sh\ncase "$*" in "-m venv"*) echo "no environment here" >&2; exit 9 ;; esac\n'
        f'exec "{sys.executable}" -S -B "$@"\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return _environment(PATH=f"{python.parent}:/usr/bin:/bin")


def _clone(checkout: Path, environment: dict, *arguments: str) -> subprocess.CompletedProcess:
    command = [str(checkout / "run_experiments.sh"), *arguments]
    return subprocess.run(command, cwd=checkout.parent, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "usage: ./run_experiments.sh [-h]"),
        ("-h", "usage: ./run_experiments.sh [-h]"),
        ("--version", "deepbayes 1.0.0"),
        ("fgsm --help", "usage: ./run_experiments.sh fgsm "),
        ("train --dataset mnist -h", "usage: ./run_experiments.sh train "),
        ("table F.1 --help", "usage: ./run_experiments.sh table "),
        ("parity --help", "usage: ./run_experiments.sh parity "),
        ("benchmark --help", "usage: ./run_experiments.sh benchmark "),
        ("legacy attack --help", "usage: ./run_experiments.sh legacy attack "),
    ],
)
def test_help_and_version_of_a_fresh_clone_install_nothing(checkout, bare, arguments, said):
    done = _clone(checkout, bare, *arguments.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said)
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("arguments", ["fgsm", "test --help", "report --output help"])
def test_whatever_else_a_fresh_clone_is_asked_for_makes_an_environment_first(checkout, bare, arguments):
    done = _clone(checkout, bare, *arguments.split())
    assert done.returncode == 9
    assert "making .venv with Python" in done.stderr
    shutil.rmtree(checkout / ".venv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("fgms", "error: unknown command fgms; did you mean fgsm?\n"),
        ("fgsm --classifirs GBZ", "error: unknown option --classifirs; did you mean --classifiers?\n"),
        ("legacy atack", "error: unknown command atack; did you mean attack?\n"),
        ("fgsm --image-size 3", "error: --image-size is of your own images: name them by --data\n"),
    ],
)
def test_a_mistake_on_a_fresh_clone_is_refused_before_anything_is_installed(checkout, bare, arguments, said):
    done = _clone(checkout, bare, *arguments.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert not (checkout / ".venv").exists()


def test_every_command_prints_its_help_without_any_package(checkout):
    code = (
        "import contextlib, io\n"
        "from deepbayes.__main__ import main\n"
        f"for command in {[c for c in COMMANDS if c != 'test']}:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):\n"
        "        main([command, '--help'])\n"
        "    print(text.getvalue().split()[2])\n"
    )
    command = [sys.executable, "-S", "-B", "-c", code]
    done = subprocess.run(command, env=_environment(PYTHONPATH=str(checkout)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [c for c in COMMANDS if c != "test"]
