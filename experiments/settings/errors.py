"""What is said to a user who asked for something that cannot be done."""

from collections.abc import Iterable


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what to do instead."""


_ALIKE = 0.1
"""How much less alike than the closest word another may be to be named beside it, as a ratio of letters."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean pgd?" with the closest of the known words, or "" where none is close to `word`."""
    from difflib import SequenceMatcher, get_close_matches  # here, since hardly any command needs it

    by_lower_case = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower_case)
    alike = {name: SequenceMatcher(None, name, word.lower()).ratio() for name in close}
    closest = [by_lower_case[name] for name in close if alike[name] >= max(alike.values()) - _ALIKE]
    return f"; did you mean {' or '.join(closest)}?" if closest else ""
