"""Types of arguments: each gives a value, or an error that names the text."""

import argparse


def count(text: str) -> int | None:
    """A positive number, or "all" as None."""
    return None if text == "all" else positive(text)


def positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def seed(text: str) -> int:
    """A whole number whose thousandfold, the seeds of a run's roles, is an int32."""
    value = int(text) if text.isdigit() else -1
    if not 0 <= value <= 2_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2,000,000")
    return value


def calibration_count(text: str) -> int | str | None:
    """As `count`; "auto" is what ships, else a default number."""
    return text if text == "auto" else count(text)


def share(text: str) -> float:
    value = not_negative(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number >= 0")
    return value
