"""Adversarial images of a whole run, range by range; a run that was stopped goes on with what is missing.

A range [first, last) of a run's images is crafted by itself and kept in <result>.<first>-<last>.partial.npz. Ranges may
be made in any order, by any number of processes; when all are there the result is measured once. Work in one process
keeps its finished batches the same way.
"""

import importlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepbayes.attacks.target import Target, check_targets
from deepbayes.data.checks import Images
from deepbayes.experiments.measurements.batches import batches
from deepbayes.experiments.settings.attack_plan import Plan
from deepbayes.experiments.settings.errors import UsageError
from deepbayes.models.files import FileError, read_arrays, write_arrays

_SAVE_SECONDS, _SAVE_SHARE = 1, 20
"""Work that may be lost: batches that take longer are kept one by one, but for a twentieth of the time at most."""


def build_craft(plan: Plan, target: Target) -> Callable:
    """The attack on one classifier, compiled once; see attacks/target.py."""
    return importlib.import_module(plan.attack.module).build(target, plan.namespace, plan.targeted)


def cost(plan: Plan) -> float:
    """Evaluations that the attack spends on an image, for the time left."""
    return importlib.import_module(plan.attack.module).cost(plan.namespace)


@dataclass(frozen=True)
class Crafting:
    """One attack on one classifier over the images of a run, as a function of range and value.

    Attributes:
      craft: from `build_craft`. labels: (N,) to leave, or with a targeted plan to reach.
      seed: of the attack's noise. batch_size: images at once.
    """

    craft: Callable
    plan: Plan
    images: Images
    labels: np.ndarray
    seed: int
    batch_size: int

    def __post_init__(self):
        if self.plan.targeted:
            check_targets(self.labels, self.images.y)

    def all(
        self, value: float, partial: Path | None = None, advance: Callable[[float], None] = lambda n: None
    ) -> tuple[np.ndarray, float]:
        """The adversarial images at one value of the parameter, and the seconds they took.

        Args:
          partial: NAME.partial.npz, beside which finished ranges are kept while the run lasts; what is found there is
            not made again. The caller removes it by `remove_partial` once the result is stored.
          advance: hears of work done, in evaluations of an image.

        Raises:
          ValueError: as the attack.
        """
        n = len(self.images)
        found = find_ranges(partial, self.images.x.shape)
        advance(sum(last - first for first, last in found) * cost(self.plan))
        gaps = _missing(found, n)
        kept = partial if found or len(gaps) > 1 else None  # of a whole run nothing needs to be kept at its end
        for first, last in gaps:
            found |= self._range((first, last), value, (partial, kept), advance)
        parts = [found[key] for key in sorted(found)]
        return np.concatenate([x for x, _ in parts]), sum(seconds for _, seconds in parts)

    def range(
        self, first: int, last: int, value: float, partial: Path | None = None, advance=lambda n: None
    ) -> dict[tuple[int, int], tuple[np.ndarray, float]]:
        """Images `first` to `last` - 1, kept beside `partial`: ranges that make them up -> images, seconds.

        What an earlier, unfinished work on them left is not made again.

        Raises:
          UsageError: the range is outside the run's images.
        """
        if not 0 <= first < last <= len(self.images):
            raise UsageError(f"the range {first}:{last} is outside the run's images, 0:{len(self.images)}")
        found = {k: v for k, v in find_ranges(partial, self.images.x.shape).items() if first <= k[0] and k[1] <= last}
        for gap in _missing(found, last, first):
            found |= self._range(gap, value, (partial, partial), advance)
        return found

    def _range(self, bounds: tuple[int, int], value: float, partials: tuple, advance) -> dict:
        """`range`, unfinished work kept beside the first of `partials`, the finished range beside the second."""
        (first, last), (partial, kept), per_image = bounds, partials, cost(self.plan)
        rows = slice(first, last)
        arrays = (
            self.images.x[rows], self.labels[rows].astype(np.int32), self.images.index[rows].astype(np.int32)
        )  # fmt: skip
        parts, seconds, saved, took = [], 0.0, time.monotonic(), 0.0
        for true, batch in batches(arrays, self.batch_size):
            start = time.monotonic()
            moved = self.craft(*batch, value, self.seed, lambda share, true=true: advance(share * true * per_image))
            parts.append(moved[:true])
            seconds += time.monotonic() - start
            done = first + sum(map(len, parts))
            if partial and done < last and time.monotonic() - saved > max(_SAVE_SECONDS, _SAVE_SHARE * took):
                start, parts = time.monotonic(), [np.concatenate(parts)]
                _write_range(partial, first, done, parts[0], seconds)
                saved = time.monotonic()
                took = saved - start
        x_adv = np.concatenate(parts)
        if kept:
            _write_range(kept, first, last, x_adv, seconds)
        return {(first, last): (x_adv, seconds)}


def find_ranges(partial: Path | None, shape: tuple[int, ...]) -> dict[tuple[int, int], tuple[np.ndarray, float]]:
    """Finished ranges that do not overlap, the longest first; damaged ones are worth nothing."""
    found: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
    for (first, last), file in sorted(_range_files(partial).items(), key=lambda item: item[0][0] - item[0][1]):
        if last > shape[0] or any(first < b and a < last for a, b in found):
            continue
        try:
            arrays = read_arrays(file)
            x_adv, seconds = arrays["x_adv"], float(arrays["seconds"])
        except (FileError, KeyError, TypeError):
            continue
        if x_adv.shape == (last - first, *shape[1:]):
            found[first, last] = x_adv, seconds
    return found


def remove_partial(partial: Path) -> None:
    """Removes all ranges of a result."""
    for file in _range_files(partial).values():
        file.unlink(missing_ok=True)


def _missing(found, last_of_all: int, start: int = 0) -> list[tuple[int, int]]:
    """The ranges from `start` on that are not found, ascending."""
    gaps = []
    for first, last in sorted(found):
        if first > start:
            gaps.append((start, first))
        start = last
    return [*gaps, (start, last_of_all)] if start < last_of_all else gaps


def _range_files(partial: Path | None) -> dict[tuple[int, int], Path]:
    if partial is None or not partial.parent.is_dir():
        return {}
    stem = partial.name.removesuffix(".partial.npz")
    found = {}
    for file in partial.parent.iterdir():
        match = re.fullmatch(re.escape(stem) + r"\.(\d+)-(\d+)\.partial\.npz", file.name)
        if match and int(match[1]) < int(match[2]):
            found[int(match[1]), int(match[2])] = file
    return found


def _write_range(partial: Path, first: int, last: int, x_adv: np.ndarray, seconds: float) -> None:
    """A longer range that begins alike takes the place of the shorter ones."""
    stem = partial.name.removesuffix(".partial.npz")
    file = partial.with_name(f"{stem}.{first}-{last}.partial.npz")
    write_arrays(file, {"x_adv": x_adv, "seconds": np.array(seconds)})
    for (a, b), other in _range_files(partial).items():
        if a == first and b < last:
            other.unlink(missing_ok=True)
