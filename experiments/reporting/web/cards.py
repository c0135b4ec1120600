"""Model cards: what the JSON beside a classifier's weights says of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deepbayes.experiments.store.rate import Rate
from deepbayes.models.files import FileError, read_json
from deepbayes.models.zoo import SHIPPED

_RATE, _MEAN = set(Rate.__dataclass_fields__), {"mean", "std", "n"}


@dataclass(frozen=True)
class Card:
    """A card. shipped: whether its weights come with the project; file: its name."""

    content: dict
    shipped: bool
    file: str

    @property
    def facts(self) -> list[tuple[str, str]]:
        """("training.epochs", "100"), ... in the card's order."""
        return list(facts(self.content))


def cards(store: Path) -> dict[str, Card]:
    """sha256 of a weight file -> its card: those that ship, and those trained into this results folder.

    A card that cannot be read is left out.
    """
    found = {}
    trained = store / "training"
    files = [(f, False) for f in sorted(trained.glob("*/*.json"))] + [
        (f, True) for f in sorted(SHIPPED.glob("*/*.json"))
    ]
    for file, shipped in files:
        try:
            content = read_json(file)
        except (FileError, RecursionError):
            continue
        if isinstance(content.get("sha256"), str) and isinstance(content.get("name"), str):
            found[content["sha256"]] = Card(content, shipped, f"{file.parent.name}/{file.name}")
    return found


_DEEPEST = 8
"""Levels of nested content that are taken apart."""


def facts(content: Mapping, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested content as ("protocol.name", "paper") in its order; a rate with its count and interval on one line."""
    for name, value in content.items():
        whole = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping) and whole.count(".") < _DEEPEST:
            yield from [(whole, measured)] if (measured := _measured(value)) else facts(value, whole)
        else:
            yield whole, _text(value)


def _measured(value: Mapping) -> str:
    """A rate or a mean in words; "" of anything else."""
    numbers = all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in value.values())
    if not (numbers and value.keys() in (_RATE, _MEAN)) or None in value.values():
        return ""
    if value.keys() == _MEAN:
        return f"mean {_text(value['mean'])}, standard deviation {_text(value['std'])}, n = {value['n']}"
    low, high = 100 * value["low"], 100 * value["high"]
    return f"{value['count']} of {value['n']}, {100 * value['rate']:.2f} % ({low:.2f} to {high:.2f})"


_SHOWN = 40
"""Entries of a list that are shown."""


def _text(value) -> str:
    if isinstance(value, Mapping) or (isinstance(value, list) and any(isinstance(v, list | Mapping) for v in value)):
        return "..."
    if isinstance(value, list):
        return ", ".join(map(_text, value[:_SHOWN])) + (f", ... ({len(value)})" if len(value) > _SHOWN else "")
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
