"""A Markdown page as the tests read it: its links, anchors, commands and Python snippets, each with its line."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deepbayes.documentation.markdown import anchor
from deepbayes.experiments.command_line.commands import COMMANDS

SHELLS = ("bash", "sh", "shell", "console")
"""Languages of blocks whose every line is a command."""
OUTPUTS = ("", "text")
"""Languages of blocks that show what a terminal shows, commands among it."""
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_HTML_LINK, _HTML_ANCHOR = re.compile(r'(?:href|src)="([^"]+)"'), re.compile(r'(?:id|name)="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*", re.DOTALL)
_OPERATORS = re.compile(r"&&|\|\|?|;|\d?>>?|<")
_BEFORE = re.compile(r"\$|time|do|then|nice|\w+=.*")
"""Words that may stand before a program."""


@dataclass(frozen=True)
class Snippet:
    """A block of Python: its line, its code, and why it is not run ("" where it is)."""

    line: int
    code: str
    not_run: str = ""


@dataclass(frozen=True)
class Command:
    """A command line of this program: its line, its arguments, and whether it may be a part of one only."""

    line: int
    arguments: tuple[str, ...]
    fragment: bool = False


@dataclass(frozen=True)
class Page:
    """A page by its text."""

    text: str

    @classmethod
    def of(cls, file: Path) -> "Page":
        return cls(file.read_text())

    @cached_property
    def _tokens(self) -> list[Token]:
        return _MARKDOWN.parse(self.text)

    def _inline(self) -> Iterator[tuple[int, Token]]:
        """(line, token) of all that stands within paragraphs, headings and cells."""
        for token in self._tokens:
            line = token.map[0] + 1 if token.map else 0
            yield from ((line, child) for child in token.children or ())
            if token.type == "html_block":
                yield line, token

    def links(self) -> Iterator[tuple[int, str]]:
        """(line, target) of links and images."""
        for line, token in self._inline():
            if target := token.attrs.get("href") or token.attrs.get("src"):
                yield line, str(target)
            if token.type.startswith("html"):
                yield from ((line, target) for target in _HTML_LINK.findall(token.content))

    @cached_property
    def anchors(self) -> set[str]:
        """Of headings, as GitHub makes them, and of HTML."""
        found, counts = set(), {}
        for token, after in zip(self._tokens, self._tokens[1:], strict=False):
            if token.type == "heading_open":
                words = "".join(c.content for c in after.children or () if c.type in ("text", "code_inline"))
                name = anchor(words)
                n = counts[name] = counts.get(name, -1) + 1
                found.add(f"{name}-{n}" if n else name)
        for _, token in self._inline():
            if token.type.startswith("html"):
                found.update(_HTML_ANCHOR.findall(token.content))
        return found

    def ragged_rows(self) -> Iterator[int]:
        """Lines of tables that have more or fewer cells than the table's first line."""
        lines = self.text.splitlines()
        for token in (t for t in self._tokens if t.type == "table_open"):
            first, last = token.map
            cells = [len(re.findall(r"(?<!\\)\|", line.strip().strip("|"))) for line in lines[first:last]]
            yield from (first + k + 1 for k, n in enumerate(cells) if n != cells[0])

    def options(self) -> Iterator[tuple[int, str]]:
        """(line, option) where code within a sentence begins with an option."""
        for line, token in self._inline():
            if token.type == "code_inline" and (option := re.match(r"--\w[\w-]*", token.content)):
                yield line, option[0]

    def snippets(self) -> Iterator[Snippet]:
        """Blocks of Python. `<!-- not run: why -->` before one says that it is not run."""
        before = None
        for token in self._tokens:
            if token.type == "fence" and token.info.strip() == "python":
                reason = _NOT_RUN.fullmatch(before.content) if before and before.type == "html_block" else None
                yield Snippet(token.map[0] + 1, token.content, reason[1] if reason else "")
            before = token

    def commands(self) -> Iterator[Command]:
        """Command lines in blocks, and in code within sentences. Such code may begin with the command's name."""
        for token in self._tokens:
            language = token.info.strip() if token.type == "fence" else "" if token.type == "code_block" else None
            if language in SHELLS or language in OUTPUTS:
                yield from _in_block(token.content, token.map[0] + 1 + (token.type == "fence"))
        for line, token in self._inline():
            if token.type == "code_inline":
                yield from _in_sentence(token.content, line)


def _in_block(text: str, first: int) -> Iterator[Command]:
    lines = iter(enumerate(text.splitlines(), first))
    for number, line in lines:
        while line.endswith("\\"):
            line = line[:-1] + next(lines, (0, ""))[1]
        for words in _programs(line):
            if arguments := _arguments(words):
                yield Command(number, tuple(arguments[1:]))


def _in_sentence(code: str, line: int) -> Iterator[Command]:
    for words in _programs(code):
        if arguments := _arguments(words):
            yield Command(line, tuple(arguments[1:]), fragment=True)
        elif words[0] in COMMANDS and any(word.startswith("--") for word in words):
            yield Command(line, tuple(words), fragment=True)


def _programs(line: str) -> list[list[str]]:
    """The words of each program on a line of a shell; [] of what is no such line."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quotation mark without its pair: prose
        return []
    programs: list[list[str]] = [[]]
    for word in words:
        if _OPERATORS.fullmatch(word):
            programs.append([])
        elif word.endswith(";"):
            programs[-1].append(word[:-1])
            programs.append([])
        else:
            programs[-1].append(word)
    return [p for p in programs if p]


def _arguments(words: list[str]) -> list[str]:
    """The program and its arguments, where it is this project's; else []."""
    while words and _BEFORE.fullmatch(words[0]):
        words = words[1:]
    if words[:3] == ["docker", "compose", "run"]:
        words = words[3:]
        while words and words[0].startswith("-"):
            words = words[2:] if words[0] in ("-e", "-v", "--env", "--volume", "--user", "-u") else words[1:]
        words = words[1:]  # the service
    if "-m" in words[:4] and words[words.index("-m") + 1 :][:1] == ["deepbayes"]:
        words = words[words.index("-m") + 1 :]
    ours = words and (words[0] == "deepbayes" or words[0].endswith("/run_experiments.sh"))
    return words if ours else []
