"""What each protocol sets, field by field and option by option."""

from dataclasses import fields as fields_of

from deepbayes.attacks.registry import ATTACKS
from deepbayes.documentation.markdown import table
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.settings.protocol import PROTOCOLS, DetectionProtocol, Protocol


def fields() -> str:
    """A row a field of `Protocol` and `DetectionProtocol`, a column a protocol."""
    rows = []
    for field in (f for f in fields_of(Protocol) if f.name not in ("name", "detection")):
        rows.append([f"`{field.name}`", *(_shown(getattr(p, field.name)) for p in PROTOCOLS.values())])
    for field in fields_of(DetectionProtocol):
        values = (_shown(getattr(p.detection, field.name)) for p in PROTOCOLS.values())
        rows.append([f"`detection.{field.name}`", *values])
    return table(["field", *(f"`{name}`" for name in PROTOCOLS)], rows)


def options() -> str:
    """A row an option of an attack whose default depends on the protocol."""
    rows = []
    for attack in ATTACKS.values():
        for option in attack.options:
            values = [option.under(p) for p in PROTOCOLS]
            if len({*values}) > 1:
                rows.append([f"`{attack.name} --{flag(option.name)}`", *map(_shown, values)])
    return table(["option", *(f"`{name}`" for name in PROTOCOLS)], rows)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"`{value}`"
