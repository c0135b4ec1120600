"""The detectors by name: what the command line, the tables and the tests are made from. Imports no array library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Detector:
    """The description of a detector. It rejects an image whose statistic is above a threshold.

    Attributes:
      name: of the statistic in detect/statistics.py.
      title: for tables.
      formula: of the statistic.
      reads: the signals of a classifier that the detector needs; without them it is not applicable.
      by_class: whether every class has its own threshold.
      source: the paper that defines it.
      unit: of the statistic, for figures.
    """

    name: str
    title: str
    formula: str
    reads: frozenset[str]
    by_class: bool
    source: str
    unit: str = ""

    @property
    def needs_density(self) -> bool:
        """Whether the detector reads log p(x), which classifiers without a density of x do not have."""
        return "log_joint" in self.reads


_DENSITY, _POSTERIOR = frozenset({"log_joint"}), frozenset({"posterior"})
_PAPER = "Li et al. 2019, section 3"

DETECTORS: dict[str, Detector] = {
    d.name: d
    for d in (
        Detector("marginal", "Marginal", "-log p(x)", _DENSITY, False, _PAPER, "nats"),
        Detector("logit", "Logit", "-log p(x, F(x))", _DENSITY, True, _PAPER, "nats"),
        Detector("kl", "KL", "KL(mean posterior of F(x) || p(y|x))", _POSTERIOR, True, _PAPER, "nats"),
        Detector("tv", "TV", "TV(mean posterior of F(x), p(y|x))", _POSTERIOR, True, _PAPER, "0: equal, 1: disjoint"),
    )
}
