"""Rates as results hold them, with the Wilson 95 % interval (experiments/store/rate.py)."""

from deepbayes.experiments.store.rate import Rate


def rate(count: int, n: int) -> dict:
    """A share as a dictionary: count, n, rate, low, high; rate and interval are None where n is 0."""
    return Rate.of(count, n).to_json()


def percent(share: dict, digits: int = 1) -> str:
    """ "93.4" for a rate, "n/a" where n is 0."""
    return Rate.from_json(share).percent(digits)
