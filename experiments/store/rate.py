"""A share with what it is worth: count, n, rate and the Wilson 95 % interval.

With p = count / n and z the 97.5 % quantile of the normal distribution the interval is (Newcombe 1998, equation 3)

    (2 n p + z^2  +-  z sqrt(4 n p (1 - p) + z^2)) / (2 (n + z^2))
"""

from dataclasses import asdict, dataclass
from math import sqrt

_Z = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share with its Wilson 95 % interval.

    Attributes:
      count: successes.
      n: trials.
      rate: count / n, in [0, 1]; None where n is 0.
      low: lower end of the interval; None where n is 0.
      high: upper end of the interval; None where n is 0.
    """

    count: int
    n: int
    rate: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, count: int, n: int) -> "Rate":
        count, n = int(count), int(n)
        if n == 0:
            return cls(0, 0, None, None, None)
        p, whole = count / n, 2 * (n + _Z**2)
        middle, half = (2 * n * p + _Z**2) / whole, _Z / whole * sqrt(4 * n * p * (1 - p) + _Z**2)
        return cls(count, n, p, 0.0 if count == 0 else middle - half, 1.0 if count == n else middle + half)

    @classmethod
    def from_json(cls, share: dict) -> "Rate":
        return cls(*(share[name] for name in cls.__dataclass_fields__))

    def to_json(self) -> dict:
        return asdict(self)

    @property
    def half(self) -> float:
        """Half the width of the interval; 0 where n is 0."""
        return 0.0 if self.rate is None else (self.high - self.low) / 2

    def percent(self, digits: int = 1) -> str:
        """ "93.4" for a rate, "n/a" where n is 0."""
        return "n/a" if self.rate is None else f"{100 * self.rate:.{digits}f}"
