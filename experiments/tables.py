"""Results of one attack as a table: what the terminal and the Markdown file show alike."""

from dataclasses import dataclass

from rich.table import Table as RichTable

from experiments.intervals import percent
from experiments.reference import paper_accuracy, paper_images


@dataclass(frozen=True)
class Table:
    """Title, column heads, rows of text and the caption that makes the numbers readable on their own."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    caption: str

    def rich(self) -> RichTable:
        table = RichTable(title=self.title, caption=self.caption, title_justify="left", caption_justify="left")
        for k, head in enumerate(self.heads):
            table.add_column(head, justify="right" if k else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        rule = ["---"] + ["---:"] * (len(self.heads) - 1)
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.heads, rule, *self.rows)]
        return f"**{self.title}**\n\n" + "\n".join(lines) + f"\n\n{self.caption}\n"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What results in one table share: images, protocol, K and seed; `note` is what must be said of the images."""

    dataset: str
    protocol: str
    samples: int | None
    seed: int
    n: int
    note: str = ""

    def stem_of(self, *kind: str) -> str:
        """File name of a table and its figures; `kind` says of what."""
        parts = [*kind, self.protocol, f"n{self.n}"]
        parts += [f"K{self.samples}" if self.samples not in (10, None) else "", f"seed{self.seed}" if self.seed else ""]
        return "_".join(p for p in parts if p)

    @property
    def where(self) -> str:
        note = f" ({self.note})" if self.note else ""
        k = f", K = {self.samples}" if self.samples else ""
        return f"n = {self.n} test images of {self.dataset}{note}, protocol {self.protocol}{k}, seed {self.seed}."


@dataclass(frozen=True, kw_only=True)
class Group(Run):
    """Results that belong in one table: the same attack in the same run.

    Attributes:
      victims: name -> (clean result, {eps: result}), in order of appearance.
    """

    attack: str
    targeted: bool
    victims: dict[str, tuple[dict, dict[float, dict]]]

    @property
    def grid(self) -> list[float]:
        return sorted({eps for _, by_eps in self.victims.values() for eps in by_eps})

    @property
    def stem(self) -> str:
        return self.stem_of(self.attack, "targeted" if self.targeted else "")


def accuracy_table(group: Group) -> Table:
    """Clean accuracy and accuracy under attack in percent, the paper's figure behind each."""
    rows, widest = [], 0.0
    for name, (clean, by_eps) in group.victims.items():
        cells = [_beside(clean["accuracy"], paper_accuracy(group.dataset, name, "clean"))]
        for eps in group.grid:
            result = by_eps.get(eps)
            paper = None if group.targeted else paper_accuracy(group.dataset, name, group.attack, f"eps={eps:g}")
            cells.append(_beside(result["accuracy"], paper) if result else "-")
        shares = [clean["accuracy"], *(r["accuracy"] for r in by_eps.values())]
        widest = max([widest, *((s["high"] - s["low"]) / 2 for s in shares if s["rate"] is not None)])
        rows.append([name, *cells])
    images = paper_images(group.dataset)
    paper = f" In brackets the paper's, on {images}." if images and not group.targeted else ""
    caption = f"Accuracy in %, {group.where}{paper} 95 % intervals (Wilson) are at most +-{100 * widest:.1f} points."
    kind = "towards a random wrong label" if group.targeted else "white box, true labels"
    heads = ["classifier", "clean", *(f"eps {eps:g}" for eps in group.grid)]
    return Table(f"{group.attack.upper()} ({kind}): accuracy", heads, rows, caption)


def _beside(share: dict, paper: float | None) -> str:
    return percent(share) + (f" ({paper:.1f})" if paper is not None else "")


def success_table(group: Group) -> Table:
    """Success among images that were right before; behind it the share of successes that survives fresh noise."""
    rows = []
    for name, (_, by_eps) in group.victims.items():
        cells, zero = [], []
        for eps in group.grid:
            result = by_eps.get(eps)
            cells.append(_with_survival(result) if result else "-")
            zero += [result["zero_gradient"]["rate"]] if result else []
        seconds = sum(r["seconds"]["evaluation"] for r in by_eps.values())
        seconds += max((r["seconds"]["gradient"] for r in by_eps.values()), default=0.0)
        rows.append([name, *cells, f"{100 * max(zero):.1f}" if zero else "-", f"{seconds:.0f}"])
    draws = (
        "Behind the slash the share of at most 25 of these successes that the majority of 20 fresh draws of the "
        "classifier's noise confirms. "
    )
    caption = (
        f"Successes in % of the images that were right before the attack. {draws}Zero gradient: images whose gradient "
        "is exactly 0, in %. Seconds: gradient and evaluation."
    )
    heads = ["classifier", *(f"eps {eps:g}" for eps in group.grid), "zero gradient", "seconds"]
    return Table(f"{group.attack.upper()}: success, and what is left of it under fresh noise", heads, rows, caption)


def _with_survival(result: dict) -> str:
    survival = result["fresh_draws"]
    return percent(result["success_right_before"]) + (f" / {percent(survival['survived'], 0)}" if survival else "")


def clean_table(group: Group) -> Table:
    """Clean accuracy with its interval and the bound, for `evaluate`."""
    rows = []
    for name, (clean, _) in group.victims.items():
        share, bound = clean["accuracy"], clean["bound"]
        paper = paper_accuracy(group.dataset, name, "clean")
        rows.append(
            [
                name,
                percent(share, 2),
                f"{100 * share['low']:.2f} - {100 * share['high']:.2f}",
                f"{paper:.2f}" if paper is not None else "-",
                f"{bound['mean']:.2f}" if bound else "-",
            ]
        )
    images = paper_images(group.dataset)
    caption = f"{group.where}" + (f" The paper's accuracy is on {images}." if images else "")
    caption += " Bound: mean importance-weighted bound on log p(x, y), nats, up to the likelihood's constant."
    heads = ["classifier", "accuracy %", "95 % interval", "paper %", "bound"]
    return Table("Clean accuracy", heads, rows, caption)
