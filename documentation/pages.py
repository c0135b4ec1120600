"""The pages with generated parts, and who writes each part.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`. What stands around it is written by hand.
"""

import re
from collections.abc import Callable
from pathlib import Path

from deepbayes import ROOT
from deepbayes.documentation import attacks, commands, data_sets, model_cards, protocols, python_api
from deepbayes.documentation.markdown import wrapped

FOLDER = ROOT / "docs" / "reference"
PARTS: dict[str, Callable[[], str]] = {
    "attacks": attacks.overview,
    "commands": commands.every_command,
    "common-options": commands.common_options,
    "data-sets": data_sets.data_sets,
    "detectors": attacks.detectors,
    "model-cards": model_cards.cards,
    "model-card-overview": model_cards.overview,
    "protocol-fields": protocols.fields,
    "protocol-options": protocols.options,
    "python-api": python_api.every_object,
}
"""Name of a part -> its writer. `options NAME` is the table of one attack's options."""
_PART = re.compile(r"<!-- generated: ([^>]+?) -->.*?<!-- end -->", re.DOTALL)


def pages() -> list[Path]:
    """The pages of the reference."""
    return sorted(FOLDER.glob("*.md"))


def parts_of(text: str) -> list[str]:
    """The names of a page's generated parts."""
    return _PART.findall(text)


def filled(text: str) -> str:
    """The text with its generated parts as the code makes them now.

    Raises:
      KeyError: a part of an unknown name.
    """
    return _PART.sub(lambda part: f"<!-- generated: {part[1]} -->\n\n{_written(part[1])}\n\n<!-- end -->", text)


def _written(name: str) -> str:
    kind, _, of = name.partition(" ")
    return wrapped((attacks.options(of) if kind == "options" else PARTS[name]()).strip())
