"""Rates with what they are worth: count, n and the Wilson 95 % interval."""

from scipy.stats import binomtest


def rate(count: int, n: int) -> dict:
    """A share as a dictionary: count, n, rate, low, high (95 %, Wilson); rate and interval are None where n is 0."""
    if n == 0:
        return {"count": 0, "n": 0, "rate": None, "low": None, "high": None}
    interval = binomtest(int(count), int(n)).proportion_ci(0.95, method="wilson")
    return {
        "count": int(count),
        "n": int(n),
        "rate": count / n,
        "low": float(interval.low),
        "high": float(interval.high),
    }


def percent(share: dict, digits: int = 1) -> str:
    """ "93.4" for a rate, "n/a" where n is 0."""
    return "n/a" if share["rate"] is None else f"{100 * share['rate']:.{digits}f}"
