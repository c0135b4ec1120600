"""The transfer matrix: rows are the classifiers evaluated, columns the source models."""

from dataclasses import dataclass

import numpy as np

from deepbayes.attacks.registry import ATTACKS, NOTHING
from deepbayes.experiments.reporting.tables import AttackRun, Table
from deepbayes.experiments.store.result import AttackResult


@dataclass(frozen=True, kw_only=True)
class TransferGroup(AttackRun):
    """Results at one value of the attack's parameter.

    Attributes:
      value: of the parameter. cells: (attacked classifier, classifier whose images they are) -> result.
    """

    value: float
    cells: dict[tuple[str, str], AttackResult]

    @property
    def stem(self) -> str:
        return self.stem_of("transfer", *self.kind, f"{self.parameter}{self.value:g}")

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(victim for victim, _ in self.cells))

    def rates(self) -> np.ndarray:
        """Accuracy of row on the images of column, NaN where it is not known."""
        names = self.names
        found = [[self.cells.get((v, s)) for s in names] for v in names]
        return np.array([[np.nan if r is None else r.accuracy.rate for r in row] for row in found])

    def weaker_than_others(self) -> list[str]:
        """Classifiers that some other's images fool more often than their own: a sign of a masked gradient."""
        rates = self.rates()
        known = np.where(np.isnan(rates), 1.0, rates)
        return [n for k, n in enumerate(self.names) if known[k].min() < rates[k, k]]

    @property
    def has_an_adversary(self) -> bool:
        """Whether images are made against anybody, and every classifier's own are there."""
        return ATTACKS[self.attack].needs != NOTHING and not np.isnan(np.diag(self.rates())).any()


def transfer_table(group: TransferGroup) -> Table:
    rows = []
    for victim in group.names:
        cells = [group.cells.get((victim, source)) for source in group.names]
        rows.append([victim, *(r.accuracy.percent() if r else "-" for r in cells)])
    weaker = group.weaker_than_others()
    caption = (
        f"Accuracy in % of the row's classifier on images crafted on the column's at {group.label(group.value)}"
        f"{group.how}, "
        f"{group.where}"
    )
    if group.has_an_adversary:
        caption += " Each classifier should be weakest on its own images" + (
            f"; {', '.join(weaker)} {'is' if len(weaker) == 1 else 'are'} not." if weaker else ", and is."
        )
    return Table(f"{group.title}: transfer", ["evaluated", *(f"from {n}" for n in group.names)], rows, caption)


def draw_rates(axis, rates: np.ndarray, names: list[str]):
    """A matrix of accuracies in percent as an image with its numbers; NaN stays empty."""
    image = axis.imshow(rates, cmap="viridis", vmin=0, vmax=100)
    for (row, column), rate in np.ndenumerate(rates):
        if not np.isnan(rate):
            axis.text(column, row, f"{rate:.0f}", ha="center", va="center", color="white" if rate < 60 else "black")
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="source model", ylabel="evaluated")
    return image
