"""The benchmark's JSON, Markdown table and figure."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from deepbayes.benchmarks.cases import GRADIENT, LOGITS, TRAINING
from deepbayes.benchmarks.memory import IMAGES
from deepbayes.experiments.reporting.figures import colour_key, save, style
from deepbayes.models.files import atomic, write_json

_SHORT = {
    LOGITS: "Logits",
    GRADIENT: "Gradient, clean",
    "attack gradient, adversarial images": "Gradient, adversarial",
    "FGSM at five eps": "FGSM, five eps",
    "FGSM at five eps with accuracies": "... and accuracies",
    "CW step": "CW step",
    "detection: logits and statistics": "Detection",
    TRAINING: "Training",
}
_AXES = {"images": "images at once", "K": "samples", "C": "classes"}
_SIZES = {"mnist": "MNIST", "plane_frog": "CIFAR-binary, untrained"}


def write(result: dict, folder: Path) -> list[Path]:
    """benchmark.json, benchmark.md and benchmark.png in `folder`; earlier ones are replaced."""
    write_json(folder / "benchmark.json", result)
    with atomic(folder / "benchmark.md") as temporary:
        temporary.write_text(markdown(result))
    return [folder / "benchmark.json", folder / "benchmark.md", figure(result, folder / "benchmark.png")]


def markdown(result: dict) -> str:
    """One row a classifier and size, one column a piece of work: ms an image, how many times faster than plain."""
    m, cases = result["machine"], list(_SHORT)
    lines = [
        f"{m['processor']}, {m['device']}, TensorFlow {result['versions']['tensorflow']}, K = 10, {result['batch']} "
        f"images a batch, median of {result['rounds']} rounds: ms an image (times faster than the plain port; "
        "10 to 90 % of rounds).",
        "",
        "| Classifier | " + " | ".join(_SHORT[c] for c in cases) + " |",
        "|---" * (len(cases) + 1) + "|",
    ]
    for size, label in _SIZES.items():
        for name, times in result[size].items():
            cells = [_cell(times[c]) if c in times else "" for c in cases]
            lines.append(f"| {name}{'' if size == 'mnist' else f' ({label})'} | " + " | ".join(cells) + " |")
    lines += _torch(result) + _memory(result) + _growth(result)
    return "\n".join(lines) + "\n"


def _cell(timed: dict) -> str:
    middle, low, high = timed["speedup"]["ours"]
    return f"{timed['median_ms']['ours']:.3g} ({middle:.2f}x; {low:.2f} - {high:.2f})"


def _torch(result: dict) -> list[str]:
    rows = [
        f"| {name} | {_SHORT[case]} | {t['median_ms']['ours']:.3g} | {t['median_ms']['plain']:.3g} "
        f"| {t['median_ms']['torch']:.3g} |"
        for name, times in result["mnist"].items()
        for case, t in times.items()
        if "torch" in t["median_ms"]
    ]
    head = ["", "Beside PyTorch (ms an image):", "", "| Classifier | | Ours | Plain TensorFlow | Plain PyTorch |"]
    return [*head, "|---|---|---|---|---|", *rows] if rows else []


def _memory(result: dict) -> list[str]:
    if not result["memory"]:
        return []
    batches = list(next(iter(result["memory"].values()))["ours"])
    heads = [f"{who}, {b} at once" for b in batches for who in ("Ours", "plain")]
    rows = [
        f"| {n} | " + " | ".join(f"{m[who][b]:,.0f}" for b in batches for who in ("ours", "plain")) + " |"
        for n, m in result["memory"].items()
    ]
    head = "| Classifier | " + " | ".join(heads) + " |"
    title = f"Peak memory of the process in PGD on {IMAGES} images, MiB:"
    return ["", title, "", head, "|---" * (len(heads) + 1) + "|", *rows]


def _growth(result: dict) -> list[str]:
    lines = []
    for axis, sizes in result["growth"].items():
        trained = "untrained, since the shipped ones know ten classes; " if axis == "C" else ""
        lines += ["", f"GFZ over {_AXES[axis]} ({trained}ms an image):", ""]
        lines += [f"| {axis} | Logits | plain | Gradient | plain |", "|---|---|---|---|---|"]
        for size, cases in sizes.items():
            cells = [f"{t['median_ms'][who]:.3g}" for t in cases.values() for who in ("ours", "plain")]
            lines.append(f"| {size} | " + " | ".join(cells) + " |")
    return lines


def figure(result: dict, file: Path) -> Path:
    """Left: how many times faster than plain, a marker a classifier. Right: milliseconds an image over K and C."""
    plot, axes = plt.subplots(
        1, 2 if result["growth"] else 1, figsize=(13 if result["growth"] else 8, 4.2), squeeze=False
    )
    left = axes[0, 0]
    names, cases = list(result["mnist"]), list(_SHORT)
    for k, (name, look) in enumerate(style(names).items()):
        offset = (k - (len(names) - 1) / 2) * 0.1
        for row, case in enumerate(cases):
            middle, low, high = result["mnist"][name][case]["speedup"]["ours"]
            label = name if row == 0 else None
            left.errorbar(
                middle, row + offset, xerr=[[max(middle - low, 0)], [max(high - middle, 0)]], label=label,
                linestyle="none", elinewidth=1, **look,
            )  # fmt: skip
    left.axvline(1, color="grey", linewidth=1)
    left.set_xscale("log")
    left.set_xticks([1, 1.5, 2, 3, 5, 10], ["1", "1.5", "2", "3", "5", "10"])
    left.set_xticks([], minor=True)
    left.set_yticks(range(len(cases)), [_SHORT[c] for c in cases])
    left.invert_yaxis()
    left.set_xlabel("times faster than the plain port")
    left.grid(axis="x", alpha=0.3)
    left.legend(fontsize=8, ncols=2, title=colour_key(names), title_fontsize=8)
    if result["growth"]:
        right = axes[0, 1]
        for axis, marker in zip(("K", "C"), "os", strict=True):
            for who, line in (("ours", "-"), ("plain", "--")):
                sizes = result["growth"][axis]
                times = [c[GRADIENT]["median_ms"][who] for c in sizes.values()]
                trained = ", untrained" if axis == "C" else ""
                label = f"{who}, over {axis}{trained}"
                right.plot([int(s) for s in sizes], times, line, marker=marker, label=label)
        right.set_xlabel("K samples (10 classes) or C classes (10 samples)")
        right.set_ylabel("attack gradient of GFZ, ms an image")
        right.grid(alpha=0.3)
        right.legend(fontsize=8)
    return save(plot, file)
