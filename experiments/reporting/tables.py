"""Results of one attack as a table: what the terminal and the Markdown file show alike."""

import re
from dataclasses import dataclass

from rich.table import Table as RichTable
from rich.text import Text

from deepbayes.attacks.registry import ATTACKS, GRADIENT, NOTHING, SCORES
from deepbayes.experiments.reporting import narrow
from deepbayes.experiments.settings.attack_plan import flag
from deepbayes.experiments.store.names import safe_stem, visible
from deepbayes.experiments.store.rate import Rate
from deepbayes.experiments.store.result import AttackResult, ChecksResult, CleanResult, Mean
from deepbayes.models.registry import CLASSIFIERS
from deepbayes.reference.published import paper_accuracy, paper_images, published_attack, published_parameter

NEEDS = {
    GRADIENT: "white box, true labels",
    SCORES: "scores only, true labels",
    NOTHING: "no adversary",
}
SURROGATES = {"greybox": "grey-box surrogate", "blackbox": "black-box substitute"}
_LEARNT = {
    "greybox": "the surrogate learnt from the victim's probabilities",
    "blackbox": "the substitute learnt by queries",
}
_UNMOVED = {"fgsm": " (a gradient of exactly 0)", "cw": " (no adversarial image found)"}


@dataclass(frozen=True)
class Table:
    """Title, column heads, rows of text and the caption that makes the numbers readable on their own.

    Attributes:
      has_lines: whether heads and cells of several lines are meant so, the first column apart; else a line break is
        part of somebody's name and shown as \\n.
    """

    title: str
    heads: list[str]
    rows: list[list[str]]
    caption: str
    has_lines: bool = False

    def rich(self) -> RichTable:
        """For a terminal that is wide enough."""
        return narrow.rich_table(self._grid(), title=self._title, caption=self._caption)

    def fitting(self, width: int) -> list[RichTable]:
        """For a terminal of so many columns: whole where it fits, else with broken cells, else in several parts.

        The title stands above the first part, the caption below the last.
        """
        parts = narrow.fitting(self._grid(), width)
        of_part = [{} for _ in parts]
        of_part[0]["title"], of_part[-1]["caption"] = self._title, self._caption
        return [narrow.rich_table(part, **own) for part, own in zip(parts, of_part, strict=True)]

    def _grid(self) -> narrow.Grid:
        breaks = "\n" if self.has_lines else ""
        return [[visible(name), *(visible(c, breaks) for c in cells)] for name, *cells in (self.heads, *self.rows)]

    @property
    def _title(self) -> Text:
        return Text(_line(self.title), "table.title")

    @property
    def _caption(self) -> Text:
        return Text(_line(self.caption), "table.caption")

    def markdown(self) -> str:
        rule = ["---"] + ["---:"] * (len(self.heads) - 1)
        lines = [[_cell(c) for c in cells] for cells in (self.heads, rule, *self.rows)]
        body = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        return f"**{_no_tags(_line(self.title))}**\n\n{body}\n\n{_no_tags(_line(self.caption))}\n"


def _line(text: str) -> str:
    return visible(text, kept="\n")


def _cell(text: str) -> str:
    return _no_tags(visible(text)).replace("|", "\\|")


def _no_tags(text: str) -> str:
    """A name such as <script> is text in Markdown, too."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What results in one table share: images, protocol, K and seed; `note` is what must be said of the images.

    `left_out` tells a choice of images from the usual one of the same number.
    """

    dataset: str
    protocol: str
    samples: int | None
    seed: int
    n: int
    note: str = ""
    left_out: str = ""

    def stem_of(self, *kind: str) -> str:
        """File name of a table and its figures, without its ending; `kind` says of what."""
        parts = [*kind, self.protocol, f"n{self.n}"]
        parts += [re.sub(r"\W+", "-", self.left_out)]
        parts += [f"K{self.samples}" if self.samples not in (10, None) else "", f"seed{self.seed}" if self.seed else ""]
        return safe_stem("_".join(p for p in parts if p))

    @property
    def where(self) -> str:
        note = f" ({self.note})" if self.note else ""
        note += f" ({self.left_out})" if self.left_out else ""
        k = f", K = {self.samples}" if self.samples else ""
        return f"n = {self.n} test images of {self.dataset}{note}, protocol {self.protocol}{k}, seed {self.seed}."


@dataclass(frozen=True, kw_only=True)
class AttackRun(Run):
    """A run of one attack.

    Attributes:
      changed: its options that are not the protocol's defaults, as (name, value).
      through: "greybox" or "blackbox" where the images were crafted on a surrogate; "transfer".
    """

    attack: str
    targeted: bool
    changed: tuple[tuple[str, object], ...] = ()
    through: str = ""

    @property
    def kind(self) -> list[str]:
        """What file names say of the attack."""
        options = [f"{flag(name)}-{value}" for name, value in self.changed]
        return [self.through, self.attack, "targeted" if self.targeted else "", *options]

    @property
    def title(self) -> str:
        return self.attack.upper() + (f" crafted on a {SURROGATES[self.through]}" if self.through in SURROGATES else "")

    @property
    def how(self) -> str:
        """The changed options as a clause for captions."""
        return "".join(f", {flag(name).replace('-', ' ')} {value}" for name, value in self.changed)

    @property
    def parameter(self) -> str:
        return ATTACKS[self.attack].parameter

    def label(self, value: float) -> str:
        return f"{self.parameter} {value:g}"

    @property
    def paper_attack(self) -> str:
        """The attack in reference/paper_2019.csv."""
        statistic = self._option("statistic") if self.attack == "wbs" else "none"
        return published_attack(self.attack, self.through, statistic)

    def paper_key(self, value: float) -> str:
        """The parameter in reference/paper_2019.csv."""
        of_wbs = (self._option("statistic"), self._option("lambda_")) if self.attack == "wbs" else ()
        return published_parameter(self.parameter, value, self.attack, *of_wbs)

    def paper_accuracy(self, result: AttackResult) -> float | None:
        """The paper's accuracy in percent under this attack; None where it has none, and for a label aimed at."""
        if self.targeted:
            return None
        return paper_accuracy(self.dataset, result.paper_classifier, self.paper_attack, self.paper_key(result.value))

    def _option(self, name: str):
        return dict(self.changed).get(name, ATTACKS[self.attack].defaults(self.protocol)[name])


@dataclass(frozen=True, kw_only=True)
class Group(AttackRun):
    """Results that belong in one table: the same attack in the same run.

    Attributes:
      victims: name -> (clean result, {value of the parameter: result}), in order of appearance.
    """

    victims: dict[str, tuple[CleanResult, dict[float, AttackResult]]]

    @property
    def grid(self) -> list[float]:
        return sorted({value for _, by_value in self.victims.values() for value in by_value})

    @property
    def stem(self) -> str:
        return self.stem_of(*self.kind)

    def curve(self, name: str) -> list[tuple[float, Rate]]:
        """A victim's accuracy by the parameter, ascending; without an attack where a value changes nothing."""
        (clean, by_value), neutral = self.victims[name], ATTACKS[self.attack].neutral
        before = [(neutral, clean.accuracy)] if neutral is not None else []
        return sorted([*before, *((v, r.accuracy) for v, r in by_value.items())], key=lambda point: point[0])

    def paper_curve(self, name: str) -> list[tuple[float, float]]:
        """As `curve`, the paper's accuracy in percent where it has one."""
        (clean, by_value), neutral = self.victims[name], ATTACKS[self.attack].neutral
        before = (
            [(neutral, paper_accuracy(self.dataset, clean.paper_classifier, "clean"))] if neutral is not None else []
        )
        points = [*before, *((v, self.paper_accuracy(by_value[v])) for v in sorted(by_value))]
        return [(value, percent) for value, percent in points if percent is not None]


def accuracy_table(group: Group) -> Table:
    """Clean accuracy and accuracy under attack in percent, the paper's figure behind each."""
    rows, rates, paper_shown = [], [], False
    for name, (clean, by_value) in group.victims.items():
        cells = [_beside(clean.accuracy, paper_accuracy(group.dataset, clean.paper_classifier, "clean"))]
        for value in group.grid:
            result = by_value.get(value)
            surrogate = f" [{result.student['accuracy'].percent()}]" if result and result.student else ""
            cells.append(_beside(result.accuracy, group.paper_accuracy(result)) + surrogate if result else "-")
        rates += [clean.accuracy, *(r.accuracy for r in by_value.values())]
        paper_shown |= any("(" in cell for cell in cells)
        rows.append([name, *cells])
    widest = max(rate.half for rate in rates)
    paper = f" In brackets the paper's figure, on {paper_images(group.dataset, group.attack)}." if paper_shown else ""
    caption = f"Accuracy in %{group.how}, {group.where}{paper}"
    caption += f" 95 % intervals (Wilson) are at most +-{100 * widest:.1f} points."
    kind = NEEDS[ATTACKS[group.attack].needs] if not group.through else _LEARNT[group.through]
    kind = "towards a random wrong label" if group.targeted else kind
    if group.through:
        caption += " In square brackets the surrogate's own accuracy."
    heads = ["classifier", "clean", *(group.label(value) for value in group.grid)]
    return Table(f"{group.title} ({kind}): accuracy", heads, rows, caption)


def _beside(rate: Rate, paper: float | None) -> str:
    return rate.percent() + (f" ({paper:.1f})" if paper is not None else "")


def success_table(group: Group) -> Table:
    """Success among images that were right before; behind it the share of successes that survives fresh noise."""
    rows = []
    for name, (_, by_value) in group.victims.items():
        cells, unmoved = [], []
        for value in group.grid:
            result = by_value.get(value)
            cells.append(_with_survival(result) if result else "-")
            unmoved += [result.unmoved.rate] if result and value > 0 else []
        seconds = sum(r.seconds for r in by_value.values())
        rows.append([name, *cells, f"{100 * max(unmoved):.1f}" if unmoved else "-", f"{seconds:.0f}"])
    stochastic = any(r.fresh_draws for _, by_value in group.victims.values() for r in by_value.values())
    draws = (
        "Behind the slash: of at most 25 of these successes, the share in % that most of 20 fresh draws of the "
        "classifier's noise confirm. "
        if stochastic
        else ""
    )
    caption = (
        f"Successes in % of the images that were right before the attack. {draws}Unmoved: images that the attack did "
        f"not change{_UNMOVED.get(group.attack, '')}, in %, the largest share over the grid. Seconds: attack and "
        "evaluation."
    )
    heads = ["classifier", *(group.label(value) for value in group.grid), "unmoved", "seconds"]
    left = ", and the share that fresh noise confirms" if stochastic else ""
    return Table(f"{group.title}: success{left}", heads, rows, caption)


def _with_survival(result: AttackResult) -> str:
    draws = result.fresh_draws
    return result.success_right_before.percent() + (f" / {draws.survived.percent(0)}" if draws else "")


def clean_table(group: Group) -> Table:
    """Clean accuracy with its interval and the means measured beside it, for `evaluate`."""
    results = {name: clean for name, (clean, _) in group.victims.items()}
    meanings = {n: text for spec in CLASSIFIERS.values() for n, text in spec.evaluation_terms.items()}
    means = [name for name in meanings if any(name in r.metrics for r in results.values())]
    rows = []
    for name, clean in results.items():
        share, paper = clean.accuracy, paper_accuracy(group.dataset, clean.paper_classifier, "clean")
        interval = f"{100 * share.low:.2f} - {100 * share.high:.2f}"
        beside = [clean.metrics.get(mean) for mean in means]
        cells = [f"{value.mean:.2f}" if isinstance(value, Mean) else "-" for value in beside]
        rows.append([name, share.percent(2), interval, f"{paper:.2f}" if paper is not None else "-", *cells])
    images = paper_images(group.dataset)
    caption = f"{group.where}" + (f" The paper's accuracy is on {images}." if images else "")
    caption += "".join(f" {mean.capitalize()}: {meanings[mean]}." for mean in means)
    return Table("Clean accuracy", ["classifier", "accuracy %", "95 % interval", "paper %", *means], rows, caption)


def checks_table(result: ChecksResult, run: Run, name: str) -> Table:
    """The lines of `checks` for one classifier."""
    rows = [[line.check, line.verdict, line.figure, str(line.n)] for line in result.lines]
    flags = sum(line.verdict == "flag" for line in result.lines)
    caption = (
        f"Numbers are counts of images misclassified under attack, at eps {result.eps:g} where the row names no other; "
    )
    caption += f"{run.where} "
    caption += f"{flags} flag{'s' if flags > 1 else ''}: find the reason first." if flags else "No flag."
    return Table(f"Checks of {name}", ["check", "verdict", "figure", "n"], rows, caption)
