"""The cards of the shipped weights as text, from the JSON beside each weight file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepbayes.documentation.markdown import cell, code_cell, table
from deepbayes.models.files import read_json
from deepbayes.models.registry import classifier_spec, place
from deepbayes.models.zoo import SHIPPED
from deepbayes.reference.published import Key, published_values

BEFORE_IT_WAS_RECORDED = {"initialiser": "independent"}
"""What the recipe did not record when these weights were trained."""


def overview() -> str:
    """A row a classifier: epochs, accuracy on each test set with its interval, the paper's, parameters."""
    shipped = _cards()
    test_sets = list(dict.fromkeys(name for _, _, card in shipped for name in card["tests"]))
    sizes = {name: next(c["tests"][name]["n"] for _, _, c in shipped if name in c["tests"]) for name in test_sets}
    heads = ["classifier", "epochs", *(f"{name}, n = {sizes[name]:,}" for name in test_sets), "paper", "parameters"]
    rows = []
    for name, dataset, card in shipped:
        paper = published_values().get(Key(dataset, name, "clean", "", "accuracy_percent"))
        tests = [_accuracy(card["tests"][test]) if test in card["tests"] else "" for test in test_sets]
        rows.append([f"[{name}](#{name.lower()})", str(card["training"]["epochs"]), *tests,
                     "" if paper is None else f"{paper:.2f}", f"{card['parameters']:,}"])  # fmt: skip
    return table(heads, rows, numbers=range(1, len(heads)))


def cards() -> str:
    """A section a weight file."""
    return "\n\n".join(f"## {name}\n\n{_card(name, dataset, card)}" for name, dataset, card in _cards())


def _cards() -> list[tuple[str, str, dict]]:
    """(classifier, data set, card) of every weight file that ships, in the tables' order."""
    files = [f for f in SHIPPED.glob("*/*.json") if not f.stem.endswith("_training_logits")]
    files = sorted(files, key=lambda f: (f.parent.name, place(f.stem), f.stem))
    return [(f.stem, f.parent.name, read_json(f)) for f in files]


def _card(name: str, dataset: str, card: Mapping[str, Any]) -> str:
    spec, data, training = classifier_spec(card["name"]), card["data"], dict(card["training"])
    seconds = training.pop("seconds")
    final = {n: training.pop(n) for n in list(training) if n.startswith("final_")}
    recipe = BEFORE_IT_WAS_RECORDED | training
    rows = [
        ("model", f"{code_cell(spec.description)}, {spec.group}"),
        ("file", f"`models/weights/{dataset}/{name}.npz`"),
        ("sha256", f"`{card['sha256']}`"),
        ("parameters", f"{card['parameters']:,}"),
        ("architecture", _pairs(card["architecture"] | {"likelihood": card.get("likelihood")})),
        ("trained on", f"`{data['name']}`, {data['images']:,} images: {cell(data['split'])}"),
        ("sha256 of the training pixels", f"`{data['sha256']}`"),
        ("test sets that it has not seen", ", ".join(f"`{n}`" for n in data["unseen"])),
        ("recipe", _pairs(recipe)),
        *((f"training {n.removeprefix('final_')} at the end", f"{v:.2f} nats") for n, v in final.items()),
        ("training time", f"{seconds / 3600:.1f} hours"),
        ("machine", cell(card["machine"])),
        ("versions", ", ".join(f"{n} {v}" for n, v in card["versions"].items())),
        ("date", card["date"]),
    ]
    return table(["fact", "value"], rows) + "\n\n" + _tests(card["tests"]) + _logits(name, dataset)


def _tests(tests: Mapping[str, Any]) -> str:
    heads = ["test set", "n", "accuracy in %", *_terms(tests), "K", "seed"]
    rows = []
    for name, of in tests.items():
        terms = [f"{of[t]['mean']:.2f} (std {of[t]['std']:.2f})" if t in of else "" for t in _names(tests)]
        rows.append([f"`{name}`", f"{of['n']:,}", _accuracy(of), *terms, str(of.get("samples", "")), str(of["seed"])])
    return table(heads, rows, numbers=range(1, len(heads)))


def _names(tests: Mapping[str, Any]) -> list[str]:
    """What tests hold beside accuracy: quantities with mean and standard deviation."""
    return list(dict.fromkeys(n for of in tests.values() for n, v in of.items() if isinstance(v, dict) and "std" in v))


def _terms(tests: Mapping[str, Any]) -> list[str]:
    return [f"{name}, nats" for name in _names(tests)]


def _accuracy(test: Mapping[str, Any]) -> str:
    """ "98.90 (98.68 - 99.09)": the Wilson 95 % interval in brackets."""
    rate = test["accuracy"]
    return f"{100 * rate['rate']:.2f} ({100 * rate['low']:.2f} - {100 * rate['high']:.2f})"


def _logits(name: str, dataset: str) -> str:
    file = Path(SHIPPED) / dataset / f"{name}_training_logits.json"
    if not file.exists():
        return ""
    card = read_json(file)
    s = card["settings"]
    return (
        f"\n\nTraining logits for detection: `{file.stem}.npz`, from {s['images']:,} images of `{s['data']}`. "
        f"K = {s['samples']}, seed {s['seed']}. The sha256 is `{card['sha256']}`."
    )


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} {cell(v)}" for n, v in values.items() if v is not None)
