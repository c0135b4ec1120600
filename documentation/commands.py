"""Commands and options as tables, from the parsers themselves."""

import argparse
from collections import Counter
from collections.abc import Iterator
from functools import cache

from deepbayes.attacks.registry import ATTACKS
from deepbayes.benchmarks.command import parser as benchmark_parser
from deepbayes.documentation.markdown import cell, code_cell, table
from deepbayes.experiments.command_line.commands import COMMANDS, HANDED_ON
from deepbayes.experiments.command_line.parser import PREFIX
from deepbayes.experiments.command_line.parser import parser as main_parser
from deepbayes.legacy_port.command_line import parser as legacy_parser
from deepbayes.legacy_port.parity_command import parser as parity_parser
from deepbayes.models.registry import all_options

SHARED_BY = 4
"""Commands that must have an option, word for word, before it is listed once for all of them."""
GROUPS = {
    "Data": ("dataset", "data", "image_size", "colour", "value_range", "group", "skip_unreadable", "data_dir"),
    "Classifiers": ("classifiers", *all_options(), "victim_model", "weights"),
    "Attack": ("eps", "c", "targeted", "known_noise", "full_gradient", "save"),
    "Detection": ("fpr", "calibration_images"),
    "Run": ("batch_size", "seed", "protocol", "output", "fresh", "quiet"),
}
"""Heading -> the shared options that stand below it, by their names in the parsed command line."""
OWN = ("num_images",)
"""Options that stand with every command, since each has a default of its own."""
_HELP = (argparse._HelpAction, argparse._VersionAction)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name; {} where it has none."""
    found = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command with the parser of its arguments, those of other rooms among them."""
    elsewhere = dict(zip(HANDED_ON, (parity_parser(), legacy_parser(), benchmark_parser()), strict=True))
    return {name: elsewhere.get(name, parser) for name, parser in subcommands(main_parser()).items()}


def every_command() -> str:
    """A section a command: what it does, its own arguments, and which of the common options it takes."""
    shared, parts = _shared(), []
    for name, parser in parsers().items():
        parts += [f"## {name}", _sentence(COMMANDS[name].help), *_usage(name, parser)]
        own = [a for a in _actions(parser) if _row(a) not in shared]
        plain = [a for a in own if not a.dest.startswith(PREFIX)]
        inner = subcommands(parser)
        parts += [_table(plain)] if plain and not inner else []
        parts += _of_the_attack(name, [a for a in own if a not in plain])
        parts += _common(parser)
        for inner_name, inner_parser in inner.items():
            parts.append(f"### {name} {inner_name}")
            parts += [_sentence(text)] if (text := _help_of(parser, inner_name)) else []
            parts += [_table(list(_actions(inner_parser)))] if list(_actions(inner_parser)) else []
    return "\n\n".join(parts)


def common_options() -> str:
    """The options that are the same in several commands, in groups."""
    parts = []
    for group, rows in _grouped().items():
        parts += [f"### {group}", table(["option", "meaning"], rows)]
    return "\n\n".join(parts)


def _common(parser: argparse.ArgumentParser) -> list[str]:
    """Which of the common options a command takes: whole groups by name, others one by one."""
    has, whole, parts = {_row(a) for a in _actions(parser)}, [], []
    for group, rows in _grouped().items():
        taken, link = [row for row in rows if row in has], f"[{group}](#{group.lower()})"
        if taken == rows and len(rows) > 1:
            whole.append(link)
        elif taken:
            parts.append(f"Of {link}: {', '.join(_flag(row) for row in taken)}.")
    texts = [f"All of {', '.join(whole)}.", *parts] if whole else parts
    return [f"Common options: {texts[0][0].lower()}{' '.join(texts)[1:]}"] if texts else []


@cache
def _grouped() -> dict[str, list[tuple[str, str]]]:
    """Heading -> rows of the shared options below it; "Other" holds those of no group."""
    shared = _shared()
    found = {group: [r for d in names for r, dest in shared.items() if dest == d] for group, names in GROUPS.items()}
    grouped = {dest for names in GROUPS.values() for dest in names}
    found["Other"] = [row for row, dest in shared.items() if dest not in grouped]
    return {group: rows for group, rows in found.items() if rows}


@cache
def _shared() -> dict[tuple[str, str], str]:
    """Rows of options that at least SHARED_BY commands have, with the option's name in the parsed command line."""
    found = [
        (_row(action), action.dest)
        for parser in parsers().values()
        for action in _actions(parser)
        if action.option_strings and action.dest not in OWN and not action.dest.startswith(PREFIX)
    ]
    return {row: dest for (row, dest), n in Counter(found).items() if n >= SHARED_BY}


def _flag(row: tuple[str, str]) -> str:
    """The option of a row without its value."""
    return f"`{row[0].strip('`').split()[0]}`"


def _usage(name: str, parser: argparse.ArgumentParser) -> list[str]:
    if subcommands(parser):
        return [f"Its commands: {', '.join(f'[`{n}`](#{name}-{n})' for n in subcommands(parser))}."]
    if name == "test":
        return ["Its arguments are pytest's."]
    return []


def _of_the_attack(name: str, actions: list[argparse.Action]) -> list[str]:
    if not actions:
        return []
    options = ", ".join(f"`{a.option_strings[-1]}`" for a in actions)
    where = f"[attacks](attacks.md#{name})" if name in ATTACKS else "the attack's section of [attacks](attacks.md)"
    return [f"Options of the attack, described in {where}: {options}."]


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        if isinstance(action, (*_HELP, argparse._SubParsersAction)) or action.help is argparse.SUPPRESS:
            continue
        yield action


def _table(actions: list[argparse.Action]) -> str:
    return table(["argument", "meaning"], [_row(a) for a in actions])


def _row(action: argparse.Action) -> tuple[str, str]:
    """What is typed, and what it means, as cells."""
    typed = " ".join([", ".join(action.option_strings), _values(action)]).strip()
    meaning = cell((action.help or "").replace("%%", "%"))
    if action.choices and not action.metavar and not all(str(c) in meaning for c in action.choices):
        one_of = "one of " + ", ".join(f"`{c}`" for c in action.choices)
        meaning = f"{meaning}; {one_of}" if meaning else one_of
    required = "required; " if action.option_strings and action.required else ""
    return code_cell(typed), required + meaning


def _values(action: argparse.Action) -> str:
    """The values as usage lines show them: "N", "NAME ...", "LO HI", "" of a flag."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    if action.choices and not action.metavar and action.option_strings:
        metavar = "NAME"
    if isinstance(metavar, tuple):
        return " ".join(metavar)
    return f"{metavar} ..." if action.nargs in ("+", "*") else str(metavar)


def _help_of(parser: argparse.ArgumentParser, name: str) -> str:
    (of,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return next((a.help or "" for a in of._choices_actions if a.dest == name), "")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def placeholders() -> Counter:
    """The words in capitals that stand for a value in help texts, such as FILE, DIR, N and NAME."""
    words = Counter()
    for parser in parsers().values():
        for each in (parser, *subcommands(parser).values()):
            for action in each._actions:
                words.update(_values(action).replace("...", "").split())
    return words
