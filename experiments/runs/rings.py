"""`rings`: the paper's Figure 2, what the three detectors reject around two rings of points. Seconds to run.

y ~ Bernoulli(0.5), theta ~ U(0, 2 pi), x|y ~ N(c_y + r_y (cos theta, sin theta), s^2 I), 1,000 points a ring. The
generative classifier takes the nearest point of ring y as the mean of p(x|y). Thresholds reject 10 % of the training
points. The centres, radii and s below are ours.
"""

import matplotlib.pyplot as plt
import numpy as np

from deepbayes.detect.registry import DETECTORS
from deepbayes.detect.thresholds import FittedDetector, fit
from deepbayes.experiments.measurements.intervals import percent, rate
from deepbayes.experiments.measurements.progress import print_tables, say
from deepbayes.experiments.reporting.figures import save
from deepbayes.experiments.reporting.tables import Table
from deepbayes.experiments.settings.run_settings import RunSettings
from deepbayes.experiments.store.results import check_writable
from deepbayes.models.files import write_json

CENTRES = np.array([[-0.75, 0.0], [0.75, 0.0]])
RADII = np.array([1.0, 1.0])
STDDEV = 0.1
POINTS, FALSE_RATE = 1000, 0.1
_SHOWN = ("marginal", "logit", "kl")
_EDGE, _GRID = 2.6, 400


def run(options: RunSettings) -> int:
    """Draws, measures and shows the two rings; settings that it reads: output, seed."""
    check_writable(options.output)
    folder = options.output / "rings"
    x, y = draw(options.seed, POINTS)
    fresh_x, _ = draw(options.seed + 1, POINTS)
    detectors = {name: fit(name, logits(x), y, FALSE_RATE) for name in _SHOWN}
    fresh = logits(fresh_x)
    rates = {}
    for name, detector in detectors.items():
        rejected = detector.rejects(fresh, fresh.argmax(axis=1))
        rates[name] = {"training": detector.training_rate, "fresh": rate(rejected.sum(), len(rejected))}
    rows = [
        [DETECTORS[n].title, DETECTORS[n].formula, f"{100 * r['training']:.1f}", percent(r["fresh"])]
        for n, r in rates.items()
    ]
    caption = (
        f"Rejected points in %, of {2 * POINTS:,} training and {2 * POINTS:,} fresh points. Radii: "
        f"{' and '.join(f'{r:g}' for r in RADII)}. Standard deviation of the noise: {STDDEV}."
    )
    heads = ["detector", "rejects a high", "training", "fresh"]
    file = folder / "rings.json"
    write_json(file, {"settings": {"seed": options.seed, "points": POINTS, "rate": FALSE_RATE}} | rates)
    print_tables([Table("Two rings (the paper's Figure 2)", heads, rows, caption)], file)
    say(f"figure: {picture(x, y, detectors, folder / 'rings.png')}")
    return 0


def draw(seed: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """(2 * points, 2) float32 and labels, `points` a ring."""
    random = np.random.default_rng(seed)
    y = np.repeat([0, 1], points)
    theta = random.uniform(0, 2 * np.pi, len(y))
    means = CENTRES[y] + RADII[y, None] * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    return (means + STDDEV * random.standard_normal(means.shape)).astype(np.float32), y


def logits(x) -> np.ndarray:
    """log p(x, y) of each ring, the nearest point of the ring as mean: (N, 2) float32 nats."""
    distance = np.abs(np.linalg.norm(x[:, None] - CENTRES, axis=2) - RADII)
    density = -(distance**2) / (2 * STDDEV**2) - np.log(2 * np.pi * STDDEV**2)
    return (np.log(0.5) + density).astype(np.float32)


def picture(x, y, detectors: dict[str, FittedDetector], file):
    """The points with the decision boundary, and what each detector rejects of the plane (grey)."""
    line = np.linspace(-_EDGE, _EDGE, _GRID)
    plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    values = logits(plane)
    labels = values.argmax(axis=1)
    shape = {"figsize": (3.2 * (1 + len(detectors)), 3.9), "sharey": True, "layout": "constrained"}
    figure, axes = plt.subplots(1, 1 + len(detectors), **shape)
    areas = {"points and p(y|x)": np.zeros(len(plane), bool)}
    areas |= {f"{DETECTORS[n].title} rejects": d.rejects(values, labels) for n, d in detectors.items()}
    for axis, (title, rejected) in zip(axes, areas.items(), strict=True):
        colours = np.where(labels[:, None] == 0, [0.80, 0.88, 1.0], [1.0, 0.90, 0.78])
        colours[rejected] = 0.45
        axis.imshow(colours.reshape(_GRID, _GRID, 3), extent=(-_EDGE, _EDGE) * 2, origin="lower")
        for label, colour in enumerate(("tab:blue", "tab:orange")):
            axis.scatter(*x[y == label].T, s=2, color=colour, alpha=0.25 if rejected.any() else 1.0)
        axis.set(title=title, aspect="equal")
    figure.suptitle(
        "Two rings of points, one class blue, one orange. Grey: rejected, by thresholds that reject "
        f"{100 * FALSE_RATE:g} % of the training points"
    )
    return save(figure, file)
