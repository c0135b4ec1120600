"""Times of contenders that take turns, so that what else the machine does meets them all alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """One piece of work that several implementations do.

    Attributes:
      name: in tables. unit: what `count` counts, such as "image".
      contenders: name -> function that does the work once and waits for its result; "ours" and "plain" among them.
      count: pieces of work in one call.
    """

    name: str
    unit: str
    contenders: dict[str, Callable]
    count: int


def interleave(case: Case, rounds: int) -> dict:
    """Milliseconds a unit and ratios to "plain".

    Every round calls each contender once, every time another one first, after a call that compiles and is not counted.

    Returns:
      {"unit", "count", "ms": {contender: [one a round]}, "median_ms": {...}, "speedup": {contender: [median, 10 % and
      90 % quantiles over rounds of plain's time by its]}}.
    """
    for work in case.contenders.values():
        work()
    ms = {name: [] for name in case.contenders}
    names = list(case.contenders)
    for k in range(rounds):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            start = time.perf_counter()
            case.contenders[name]()
            ms[name].append((time.perf_counter() - start) * 1e3 / case.count)
    ratios = {n: np.array(ms["plain"]) / np.array(ms[n]) for n in ms if n != "plain"}
    return {
        "unit": case.unit,
        "count": case.count,
        "ms": ms,
        "median_ms": {n: float(np.median(v)) for n, v in ms.items()},
        "speedup": {n: [float(np.quantile(r, q)) for q in (0.5, 0.1, 0.9)] for n, r in ratios.items()},
    }
