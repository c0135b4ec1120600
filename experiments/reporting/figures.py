"""Figures from stored results: accuracy by eps, example strips, transfer matrices, training curves."""

import warnings
import zlib
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from deepbayes.attacks.registry import ATTACKS
from deepbayes.data.registry import class_name
from deepbayes.experiments.reporting.tables import Group
from deepbayes.experiments.reporting.transfer_tables import TransferGroup, draw_rates
from deepbayes.experiments.store.names import visible
from deepbayes.experiments.store.result import CleanResult
from deepbayes.models.classifier import LOG_JOINT
from deepbayes.models.files import atomic
from deepbayes.models.registry import BASELINE, CLASSIFIERS, DISCRIMINATIVE, GENERATIVE, base_name
from deepbayes.reference.published import curve_of_2019, paper_images

MARKERS = "osD^vPX*<>"
"""Matplotlib's, each unlike the others."""
_COLOURS = {
    group: (word, plt.get_cmap(name))
    for group, word, name in (
        (GENERATIVE, "blue", "Blues"), (DISCRIMINATIVE, "orange", "Oranges"), (BASELINE, "green", "Greens"),
    )
}  # fmt: skip
_GREYS, _USERS_MARKERS = ("0.25", "0.4", "0.55", "0.7"), MARKERS[-3:]


def style(names: list[str]) -> dict[str, dict]:
    """Blue for generative, orange for discriminative classifiers, green for baselines, grey for a user's.

    A name has the same colour and marker in every figure; two models of a user's whose looks would be the same are
    told apart within a figure.
    """
    styles, taken = {}, set()
    for name in names:
        base = base_name(name)
        if base in CLASSIFIERS:
            group = CLASSIFIERS[base].group
            family = [n for n, spec in CLASSIFIERS.items() if spec.group == group]
            shade = 0.45 + 0.5 * family.index(base) / max(len(family) - 1, 1)
            colour, marker = _COLOURS[group][1](shade), MARKERS[list(CLASSIFIERS).index(base) % len(MARKERS)]
        else:
            looks = [(grey, m) for m in _USERS_MARKERS for grey in _GREYS]
            first = zlib.crc32(name.encode(errors="replace")) % len(looks)
            looks = looks[first:] + looks[:first]
            colour, marker = next((look for look in looks if look not in taken), looks[0])
            taken.add((colour, marker))
        styles[name] = {"color": colour, "marker": marker, "markersize": 5}
    return styles


def colour_key(names: list[str]) -> str:
    """What the colours of these classifiers say: "blue: generative, orange: discriminative"."""
    groups = {CLASSIFIERS[base_name(n)].group if base_name(n) in CLASSIFIERS else "" for n in names}
    said = [f"{word}: {group}" for group, (word, _) in _COLOURS.items() if group in groups]
    return ", ".join(said + (["grey: yours"] if "" in groups else []))


def legend(figure, names: list[str]) -> None:
    """One legend for the whole figure, below it: a classifier an entry, the title says what the colours mean.

    The figure has the layout "constrained".
    """
    styles = style(names)
    handles = [plt.Line2D([], [], label=as_label(n), **styles[n]) for n in names]
    longest = max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(names), int(figure.get_figwidth() * _LETTERS_AN_INCH / (longest + _OF_A_HANDLE))))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, title=colour_key(names))


_LONGEST_LABEL = 40
_LETTERS_AN_INCH, _OF_A_HANDLE = 9, 8
"""Of a legend: letters that an inch holds, and the letters whose room a line with its marker takes."""


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
    paper = {name: group.paper_curve(name) for name in group.victims}
    both = any(value != neutral for points in paper.values() for value, _ in points)
    shape = {"figsize": (10 if both else 5.5, 4.8), "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, 2 if both else 1, **shape)
    for name in group.victims:
        points = group.curve(name)
        x = [e for e, _ in points]
        low, middle, high = zip(*([100 * s for s in (a.low, a.rate, a.high)] for _, a in points), strict=True)
        axes[0, 0].plot(x, middle, **styles[name])
        axes[0, 0].fill_between(x, low, high, color=styles[name]["color"], alpha=0.15, linewidth=0)
        if both:
            axes[0, 1].plot([e for e, _ in paper[name]], [v for _, v in paper[name]], **styles[name])
    axes[0, 0].set(ylabel="accuracy under attack (%)", ylim=(-2, 102))
    axes[0, 0].set_title(f"this port, with 95 % bands\n{group.n:,} test images of {as_text(group.dataset)}", fontsize=9)
    if both:
        axes[0, 1].set_title(f"Li et al. 2019\n{paper_images(group.dataset, group.attack)}", fontsize=9)
    for axis in axes[0]:
        axis.set_xlabel(f"{group.parameter} ({ATTACKS[group.attack].meaning})", fontsize=9)
        axis.set_xscale("log" if neutral is None else "linear")
        if neutral is not None and all(value == int(value) for value in grid):  # such as pixels
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    legend(figure, list(group.victims))
    figure.suptitle(as_text(f"{group.title}{group.how}, protocol {group.protocol}"))
    return save(figure, file)


def example_strip(group: Group, arrays, file: Path, shown: int = 2) -> Path | None:
    """A block an example, with its true class above it; in it a row a classifier, a column clean and one for each eps.

    Below each image stands the class that the classifier predicts, red and bold where it is wrong.

    Args:
      arrays: result -> its stored arrays, {} where they are missing: the strip has a gap there.
    """
    columns, names = ["clean", *group.grid], list(group.victims)
    size = 0.8 * shown * len(columns) + 0.6, 0.98 * len(names) + 1.2
    figure = plt.figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)
    for k, block in enumerate(figure.subfigures(1, shown, squeeze=False)[0]):
        axes = block.subplots(len(names), len(columns), squeeze=False)
        true = set()
        for row, name in enumerate(names):
            clean, by_value = group.victims[name]
            for column, key in enumerate(columns):
                axis, result = axes[row, column], clean if key == "clean" else by_value.get(key)
                axis.set(xticks=[], yticks=[])
                if row == 0:
                    axis.set_title("clean" if key == "clean" else f"{key:g}", fontsize=9)
                if column == 0 and k == 0:
                    axis.set_ylabel(as_label(name), fontsize=9)
                stored = arrays(result) if result else {}
                if k >= len(stored.get("examples", ())):
                    axis.axis("off")
                    continue
                which = _spread(len(stored["examples"]), shown)[k]
                position = stored["examples_row"][which]
                axis.imshow(stored["examples"][which].squeeze(), cmap="gray", vmin=0, vmax=255)
                predicted = result.predictions[position]
                wrong = clean.labels is not None and predicted != clean.labels[position]
                true |= {_class_name(clean, clean.labels[position])} if clean.labels is not None else set()
                look = {"color": "red", "fontweight": "bold"} if wrong else {"color": "black"}
                axis.set_xlabel(_class_name(clean, predicted), fontsize=9, labelpad=2.5, **look)
        block.suptitle(f"true class: {' or '.join(sorted(true))}" if true else " ", fontsize=10)
    figure.suptitle(
        f"{group.title} by {group.parameter}. Below each image: the predicted class, red where it is wrong", fontsize=10
    )
    return save(figure, file)


_LONGEST_CLASS = 9


def _class_name(clean: CleanResult, label: int) -> str:
    """The class's name where its data set has names, else its number."""
    name = class_name(clean.dataset, label, clean.settings.get("classes") or ())
    return as_text(name if len(name) <= _LONGEST_CLASS else f"{name[: _LONGEST_CLASS - 2]}..")


def _spread(n: int, shown: int) -> list[int]:
    return [k * n // shown for k in range(shown)]


def heat_map(group: TransferGroup, file: Path) -> Path:
    rates, names = 100 * group.rates(), group.names
    size = 1.5 + 0.6 * len(names)
    figure, axis = plt.subplots(figsize=(size + 0.8, size), layout="constrained")
    image = draw_rates(axis, rates, [as_label(n) for n in names])
    what, where = f"{group.title}, {group.label(group.value)}", f"{group.n:,} test images of {group.dataset}"
    axis.set_title(f"{as_text(what)}\n{as_text(where)}", fontsize=10)
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
    figure, axes = plt.subplots(
        *shape, figsize=(4.6 * shape[1], 4 * shape[0] + 0.7), squeeze=False, layout="constrained"
    )
    axes = list(axes.flat)
    for axis in axes[width:]:
        axis.remove()
    *ascended, accuracy = axes[: len(panels) + 1]
    for axis, panel in zip(ascended, panels, strict=True):
        shown = {name: rows for name, rows in histories.items() if scales[name] == panel}
        _ascent(axis, panel[0], shown, styles)
        if len(ascended) > 1:
            axis.set_title(f"{axis.get_title()}, {'with' if panel[1] else 'without'} a density of x")
    for name, rows in histories.items():
        accuracy.plot(*_accuracies(rows), **styles[name])
    accuracy.set(ylabel="accuracy (%)", title="validation accuracy")
    for axis, (name, curve) in zip(axes[len(panels) + 1 : width], curves_2019.items(), strict=True):
        axis.plot(*_accuracies(histories[name]), label="this port", **styles[name])
        axis.plot(*_accuracies(curve), "k--", linewidth=1, label="2019 code")
        axis.legend(fontsize=9)
        axis.set(ylabel="accuracy (%)", title=f"{name} beside the 2019 code", xlim=(0, 1.3 * curve[-1]["epoch"]))
    for axis in axes[:width]:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    legend(figure, list(histories))
    return save(figure, file)


def _ascent(axis, what: str, shown: dict[str, list[dict]], styles: dict) -> None:
    """One panel of what training ascends."""
    for name, rows in shown.items():
        x, y = [r["epoch"] for r in rows], [r[what] for r in rows]
        axis.plot(x, y, **styles[name], markevery=5)
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
