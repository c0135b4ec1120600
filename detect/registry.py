"""The detectors by name: what the command line, the tables and the tests are made from. Imports no array library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Detector:
    """What a detector looks at.

    Attributes:
      title: for tables. formula: of the statistic in detect/statistics.py of the same name.
      needs_density: whether it reads log p(x), which DFX and DBX do not have.
      by_class: whether every class has its own threshold.
      source: where it was defined.
    """

    name: str
    title: str
    formula: str
    needs_density: bool
    by_class: bool
    source: str


DETECTORS: dict[str, Detector] = {
    d.name: d
    for d in (
        Detector("marginal", "Marginal", "-log p(x)", True, False, "Li et al. 2019, section 3"),
        Detector("logit", "Logit", "-log p(x, F(x))", True, True, "Li et al. 2019, section 3"),
        Detector("kl", "KL", "KL(mean posterior of F(x) || p(y|x))", False, True, "Li et al. 2019, section 3"),
        Detector("tv", "TV", "TV(mean posterior of F(x), p(y|x))", False, True, "Li et al. 2019, section 3"),
    )
}
