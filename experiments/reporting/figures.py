"""Figures from stored results: accuracy by eps, example strips, transfer matrices, training curves."""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from deepbayes.attacks.registry import ATTACKS
from deepbayes.experiments.reporting.tables import Group
from deepbayes.experiments.reporting.transfer_tables import TransferGroup, draw_rates
from deepbayes.experiments.store.names import visible
from deepbayes.models.classifier import LOG_JOINT
from deepbayes.models.files import atomic
from deepbayes.models.registry import BASELINE, CLASSIFIERS, DISCRIMINATIVE, GENERATIVE, base_name
from deepbayes.reference.published import curve_of_2019, paper_accuracy, paper_images

_MARKERS = "osD^vPX*<>"
_COLOURS = {
    group: plt.get_cmap(name)
    for group, name in ((GENERATIVE, "Blues"), (DISCRIMINATIVE, "Oranges"), (BASELINE, "Greens"))
}


def style(names: list[str]) -> dict[str, dict]:
    """Blue for generative, orange for discriminative classifiers, green for baselines, grey for a user's.

    A registered name has the same colour and marker in every figure.
    """
    styles = {}
    for k, name in enumerate(names):
        base = base_name(name)
        if base in CLASSIFIERS:
            group = CLASSIFIERS[base].group
            family = [n for n, spec in CLASSIFIERS.items() if spec.group == group]
            shade = 0.45 + 0.5 * family.index(base) / max(len(family) - 1, 1)
            colour, marker = _COLOURS[group](shade), _MARKERS[list(CLASSIFIERS).index(base) % len(_MARKERS)]
        else:
            colour, marker = str(0.3 + 0.1 * (k % 4)), _MARKERS[-1 - k % 3]
        styles[name] = {"color": colour, "marker": marker, "markersize": 5}
    return styles


_LONGEST_LABEL = 40


def as_text(text: str) -> str:
    """On one line, and without formulas between dollars."""
    return visible(text).replace("$", r"\$")


def as_label(name: str) -> str:
    """A name in a legend: as_text, short, and not hidden for being empty or beginning with an underscore."""
    short = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 3]}..."
    return f"{' ' if short[:1] in ('', '_') else ''}{as_text(short)}"


def save(figure, file: Path) -> Path:
    try:
        with atomic(file) as temporary, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # an emoji is drawn as a box
            figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")
    finally:
        plt.close(figure)
    return file


def accuracy_by_eps(group: Group, file: Path) -> Path:
    """Ours with 95 % bands, and the paper's on the same axes beside it where it has figures."""
    styles, grid, neutral = style(list(group.victims)), group.grid, ATTACKS[group.attack].neutral
    paper = {
        name: [paper_accuracy(group.dataset, clean.paper_classifier, "clean")]
        + [group.paper_accuracy(by_value[e]) if e in by_value else None for e in grid]
        for name, (clean, by_value) in group.victims.items()
    }
    both = any(v is not None for values in paper.values() for v in values[1:])
    figure, axes = plt.subplots(1, 2 if both else 1, figsize=(10 if both else 5.5, 4), sharey=True, squeeze=False)
    for name, (clean, by_value) in group.victims.items():
        points = [(neutral, clean.accuracy)] if neutral is not None else []
        points = sorted(points + [(e, by_value[e].accuracy) for e in grid if e in by_value], key=lambda p: p[0])
        x = [e for e, _ in points]
        low, middle, high = zip(*([100 * s for s in (a.low, a.rate, a.high)] for _, a in points), strict=True)
        axes[0, 0].plot(x, middle, label=as_label(name), **styles[name])
        axes[0, 0].fill_between(x, low, high, color=styles[name]["color"], alpha=0.15, linewidth=0)
        if both:
            shown = zip([neutral, *grid], paper[name], strict=True)
            shown = [(e, v) for e, v in shown if e is not None and v is not None]
            axes[0, 1].plot([e for e, _ in shown], [v for _, v in shown], label=as_label(name), **styles[name])
    axes[0, 0].set(
        title=f"this port, {group.dataset}, n = {group.n}", ylabel="accuracy under attack (%)", ylim=(-2, 102)
    )
    if both:
        axes[0, 1].set_title(f"Li et al. 2019\n{paper_images(group.dataset, group.attack)}", fontsize=9)
    for axis in axes[0]:
        axis.set_xlabel(f"{group.parameter} ({ATTACKS[group.attack].meaning})", fontsize=9)
        axis.set_xscale("log" if neutral is None else "linear")
        axis.grid(alpha=0.3)
    axes[0, -1].legend(fontsize=8)
    figure.suptitle(as_text(f"{group.title}{group.how}, protocol {group.protocol}"))
    return save(figure, file)


def example_strip(group: Group, arrays, file: Path, shown: int = 2) -> Path | None:
    """A row a classifier: some digits clean and at each eps, each with the label it is given (red where wrong).

    Args:
      arrays: result -> its stored arrays, {} where they are missing: the strip has a gap there.
    """
    columns = ["clean", *group.grid]
    names = list(group.victims)
    height = 0.8 * len(names) + 0.6
    figure, axes = plt.subplots(
        len(names), shown * len(columns), figsize=(0.8 * shown * len(columns), height), squeeze=False
    )
    figure.subplots_adjust(top=1 - 0.6 / height, bottom=0.02)
    for row, name in enumerate(names):
        clean, by_value = group.victims[name]
        for column, key in enumerate(columns):
            result = clean if key == "clean" else by_value.get(key)
            stored = arrays(result) if result else {}
            for k in range(shown):
                axis = axes[row, k * len(columns) + column]
                axis.set_xticks([])
                axis.set_yticks([])
                if k >= len(stored.get("examples", ())):
                    axis.axis("off")
                    continue
                which = _spread(len(stored["examples"]), shown)[k]
                image, position = stored["examples"][which], stored["examples_row"][which]
                axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
                label, before = result.predictions[position], clean.predictions[position]
                axis.set_xlabel(str(label), fontsize=8, labelpad=1, color="black" if label == before else "red")
                if row == 0:
                    axis.set_title("clean" if key == "clean" else f"{key:g}", fontsize=8)
                if column == 0 and k == 0:
                    axis.set_ylabel(as_label(name), fontsize=8)
    figure.suptitle(
        f"{group.title} by {group.parameter}; below each image its label (red: changed by the attack)", fontsize=9
    )
    return save(figure, file)


def _spread(n: int, shown: int) -> list[int]:
    return [k * n // shown for k in range(shown)]


def heat_map(group: TransferGroup, file: Path) -> Path:
    rates, names = 100 * group.rates(), group.names
    size = 1.5 + 0.6 * len(names)
    figure, axis = plt.subplots(figsize=(size + 0.8, size))
    image = draw_rates(axis, rates, [as_label(n) for n in names])
    axis.set_title(f"{group.title}, {group.label(group.value)}, {group.dataset}, n = {group.n}", fontsize=10)
    figure.colorbar(image, label="accuracy (%)", fraction=0.046)
    return save(figure, file)


def training_curves(dataset: str, histories: dict[str, list[dict]], file: Path) -> Path:
    """What training ascends, and validation accuracy, by epoch, a line a classifier.

    Bounds with and without a density of x are on scales of their own. Where it is known how the 2019 code learns one, a
    panel shows its first epochs beside ours.
    """
    styles = style(list(histories))
    scales = {name: (_objective(rows), _has_density(name)) for name, rows in histories.items()}
    panels = sorted(set(scales.values()), reverse=True)
    curves_2019 = {name: curve for name in histories if (curve := curve_of_2019(dataset, name))}
    width = len(panels) + 1 + len(curves_2019)
    rows_of_panels = -(-width // 3)
    shape = (rows_of_panels, -(-width // rows_of_panels))
    figure, axes = plt.subplots(*shape, figsize=(4.6 * shape[1], 4 * shape[0]), squeeze=False)
    axes = list(axes.flat)
    for axis in axes[width:]:
        axis.remove()
    *ascended, accuracy = axes[: len(panels) + 1]
    for axis, panel in zip(ascended, panels, strict=True):
        shown = {name: rows for name, rows in histories.items() if scales[name] == panel}
        _ascent(axis, panel[0], shown, styles)
    for name, rows in histories.items():
        accuracy.plot(*_accuracies(rows), label=as_label(name), **styles[name])
    accuracy.set(ylabel="accuracy (%)", title="validation accuracy")
    for axis, (name, curve) in zip(axes[len(panels) + 1 : width], curves_2019.items(), strict=True):
        axis.plot(*_accuracies(histories[name]), label="ours", **styles[name])
        axis.plot(*_accuracies(curve), "k--", linewidth=1, label="2019 code")
        axis.set(ylabel="accuracy (%)", title=f"{name} beside the 2019 code", xlim=(0, 1.3 * curve[-1]["epoch"]))
    for axis in axes[:width]:
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.tight_layout()
    return save(figure, file)


def _ascent(axis, what: str, shown: dict[str, list[dict]], styles: dict) -> None:
    """One panel of what training ascends."""
    for name, rows in shown.items():
        x, y = [r["epoch"] for r in rows], [r[what] for r in rows]
        axis.plot(x, y, label=as_label(name), **styles[name], markevery=5)
    lowest = min(r[what] for rows in shown.values() for r in rows[min(_STEEP, len(rows)) - 1 :])
    highest = max(r[what] for rows in shown.values() for r in rows)
    axis.set(ylabel=f"{what} (nats, mean over the epoch)", title=f"training: {what}")
    if lowest < highest:
        axis.set_ylim(lowest - 0.05 * (highest - lowest), highest + 0.05 * (highest - lowest))


def _objective(rows: list[dict]) -> str:
    """The history's column behind the epoch: what was ascended."""
    return list(rows[0])[1]


_STEEP = 5
"""Epochs in which it rises so fast that an axis from its start on would flatten the rest."""


def _has_density(name: str) -> bool:
    spec = CLASSIFIERS.get(base_name(name))
    return spec is None or LOG_JOINT in spec.signals


def _accuracies(rows: list[dict]) -> tuple[list[float], list[float]]:
    """Epochs and accuracies in percent, where known."""
    known = [r for r in rows if r["accuracy"] is not None]
    return [r["epoch"] for r in known], [100 * r["accuracy"] for r in known]
