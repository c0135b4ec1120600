"""The Python API as text, from signatures and docstrings, read from the source: nothing is imported."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache

from deepbayes import ROOT
from deepbayes.documentation.markdown import code_cell, table

API: dict[str, dict[str, tuple[str, ...]]] = {
    "Attack and load": {"experiments/api.py": ("attack",), "models/zoo.py": ("load_classifier",)},
    "Classifiers": {
        "models/classifier.py": ("Classifier", "Cost"),
        "models/registry.py": ("ClassifierSpec", "ClassifierOption", "register_classifier"),
        "models/recipes.py": ("Recipe", "register_recipe"),
    },
    "Data": {"data/checks.py": ("Images",), "data/registry.py": ("Dataset", "register_dataset")},
    "Results": {
        "experiments/store/result.py": (
            "Result", "CleanResult", "AttackResult", "DetectionResult", "OutOfDistributionResult", "ChecksResult",
            "DetectorResult", "CheckLine", "FreshDraws", "Mean", "Perturbation",
        ),
        "experiments/store/rate.py": ("Rate",),
    },
    "Attacks and detectors": {"attacks/registry.py": ("Attack", "Option"), "detect/registry.py": ("Detector",)},
}  # fmt: skip
"""Heading -> file -> public names, in the page's order."""
AT_THE_TOP = ("attack", "load_classifier")
"""Names that `deepbayes` itself has."""
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):\s*(.*)")
_ITEM = re.compile(r"([\w*][\w*, ]*): (.*)", re.DOTALL)
_PROPERTIES = {"property", "cached_property"}


def every_object() -> str:
    """A section a public name: how it is imported, signature or fields, docstring, methods."""
    parts = []
    for heading, files in API.items():
        parts.append(f"## {heading}")
        for file, names in files.items():
            parts += [object_section(file, name) for name in names]
    return "\n\n".join(parts)


def names_to_describe(file: str, name: str) -> list[str]:
    """The fields of a class, or the arguments of a function."""
    node = _definitions(file)[name]
    if isinstance(node, ast.FunctionDef):
        return [a.arg for a in node.args.args]
    return [f.target.id for f in _fields(node)]


def object_section(file: str, name: str) -> str:
    """The section of one name at the top of a file."""
    node = _definitions(file)[name]
    module = "deepbayes." + file.removesuffix(".py").replace("/", ".")
    whence = "deepbayes" if name in AT_THE_TOP else module
    parts = [f"### {name}", f"`from {whence} import {name}`"]
    if isinstance(node, ast.FunctionDef):
        return "\n\n".join([*parts, _code(_signature(node)), *_docstring(node)])
    if fields := _fields(node):
        parts.append(_code("\n".join([f"{node.name}(", *(f"    {ast.unparse(f)}," for f in fields), ")"])))
    parts += _docstring(node)
    if read := [f"`{n}`" for n in _stored(file, node)]:
        beside = "" if node.name == "Result" else ", and what [Result](#result) reads"
        parts.append(f"Read from the file: {', '.join(read)}{beside}.")
    if properties := [_property(m) for m in _methods(node) if _decorators(m) & _PROPERTIES and ast.get_docstring(m)]:
        parts.append(table(["property", "type", "meaning"], properties))
    for method in (m for m in _methods(node) if not _decorators(m) & _PROPERTIES and ast.get_docstring(m)):
        parts += [f"**`{node.name}.{method.name}`**", _code(_signature(method)), *_docstring(method)]
    return "\n\n".join(parts)


@cache
def _definitions(file: str) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """The functions and classes at the top of a file."""
    tree = ast.parse((ROOT / file).read_text())
    return {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


def _methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """Public methods, in the source's order."""
    return (n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"))


def _decorators(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    return {ast.unparse(d).split("(")[0] for d in node.decorator_list}


def _fields(node: ast.ClassDef) -> list[ast.AnnAssign]:
    """The fields of a data class; [] of any other class."""
    annotated = [n for n in node.body if isinstance(n, ast.AnnAssign) and "ClassVar" not in ast.unparse(n.annotation)]
    return annotated if "dataclass" in _decorators(node) else []


def _stored(file: str, node: ast.ClassDef) -> list[str]:
    """Attributes that a result reads by `part`, those of private classes that it is derived from first."""
    found = []
    for base in (b.id for b in node.bases if isinstance(b, ast.Name) and b.id.startswith("_")):
        found += _stored(file, _definitions(file)[base])
    for assigned in (n for n in node.body if isinstance(n, ast.Assign)):
        values = assigned.value.elts if isinstance(assigned.value, ast.Tuple) else [assigned.value]
        if all(isinstance(v, ast.Call) and ast.unparse(v.func) == "part" for v in values):
            found += [n.id for t in assigned.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return found


def _property(node: ast.FunctionDef) -> list[str]:
    text = " ".join(_docstring(node)).replace("\n", " ").replace("|", "\\|")
    return [f"`{node.name}`", code_cell(ast.unparse(node.returns) if node.returns else ""), text]


def _signature(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("cls, ")
    arguments = "" if arguments in ("self", "cls") else arguments
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({arguments}){returns}".replace("'", '"')


def _code(text: str) -> str:
    return f"```text\n{text}\n```"


def _docstring(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """Paragraphs and lists of a docstring in the house's form."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(ast.get_docstring(node) or ""))
    return [text for block in blocks for text in _block(block)]


def _block(block: str) -> list[str]:
    """A paragraph or an example as it is; a section of arguments, attributes or errors as a list."""
    section = _SECTION.match(block)
    if not section:
        return [block if block.startswith("    ") else _text(block)] if block else []
    title, rest = section.groups()
    items = [i for i in re.split(r"\n(?=\S|  \S)", rest + block[section.end() :]) if i.strip()]
    lines = []
    for item in items:
        text = re.sub(r"\s+", " ", item).strip()
        named = _ITEM.fullmatch(text) if title != "Returns" else None
        lines.append(f"- `{named[1]}`: {_text(named[2])}" if named else f"- {_text(text)}")
    return [f"{title}:", "\n".join(lines)]


def _text(text: str) -> str:
    """Prose whose `<` does not begin HTML, code left as it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else p.replace("<", "\\<").replace("*", "\\*") for p in parts)
