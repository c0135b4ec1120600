"""The house keeps its order: what a room may know, which way imports run, how much stands in one place."""

import ast
import re
from collections import Counter

import pytest

from helpers import ROOT

CODE = [
    file
    for room in ("attacks", "benchmarks", "data", "deepbayes", "detect", "documentation", "experiments", "legacy_port",
                 "models", "reference", "reproduction")
    for file in sorted((ROOT / room).rglob("*.py"))
]  # fmt: skip
OF_THE_FAMILY = re.compile(r"factorisation|FACTORISATION|SEVEN_NAMES|dim_z|models_x|\bbound\b|name\[0\]|name\[:1\]")
"""What only deep Bayes classifiers have, and what would read it off a classifier's name."""
MAY_KNOW = ("models", "legacy_port", "benchmarks", "reference")
FLOORS = {
    "reference": 0, "attacks": 0, "detect": 0, "data": 0, "models": 1, "experiments/settings": 2,
    "experiments/store": 3, "experiments/command_line": 3, "experiments/measurements": 4, "experiments/preparation": 5,
    "experiments/reporting": 5, "experiments/runs": 6, "experiments": 7, "reproduction": 8, "legacy_port": 9,
    "benchmarks": 9, "deepbayes": 10, "documentation": 10,
}  # fmt: skip
"""Rooms from the ground up: a room imports from its own floor or lower ones, but for what commands load by name."""


def room_of(path: str) -> str:
    return max((room for room in FLOORS if path == room or path.startswith(f"{room}/")), key=len)


def imports_of(file) -> list[str]:
    """The files of this project that a file imports, at its top or within."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deepbayes."):
            found.append(node.module.removeprefix("deepbayes.").replace(".", "/"))
    return found


@pytest.mark.parametrize("file", CODE, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_keeps_the_order(file):
    path, text = file.relative_to(ROOT).as_posix(), file.read_text()
    if path.split("/")[0] not in MAY_KNOW:
        assert not [line for line in text.splitlines() if OF_THE_FAMILY.search(line)]
    floor = FLOORS[room_of(path)]
    assert not [f"{path} climbs to {other}" for other in imports_of(file) if FLOORS[room_of(other)] > floor]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            parameters = [n for n in names if n not in ("self", "cls")]
            assert len(parameters) <= 7, f"{path}: {node.name} has {len(parameters)} parameters"


def test_no_folder_holds_more_than_twelve_files():
    counts = Counter(file.parent.relative_to(ROOT).as_posix() for file in CODE if file.name != "__init__.py")
    assert {folder: n for folder, n in counts.items() if n > 12} == {}
