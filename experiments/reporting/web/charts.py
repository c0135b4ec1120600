"""Charts of accuracy by budget as coordinates, which the template draws as SVG; colours and markers of classifiers."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deepbayes.experiments.reporting.figures import style

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 46
LIGHT, DARK = (1.0, 1.0, 1.0), (0.086, 0.106, 0.133)
"""Backgrounds of the page, as template style.css has them."""
_CONTRAST = 3.0
"""Least contrast of a line or a marker to the background (WCAG 2.2, 1.4.11)."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How a classifier is drawn: two colours "#1a2b3c", for light and dark backgrounds, and matplotlib's marker."""

    light: str
    dark: str
    marker: str


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
      label: for the legend. look: index of the classifier's colours in the page. marker: matplotlib's.
      points: "x,y x,y" of an SVG. band: the same of the 95 % interval around it, or "". markers: SVG paths.
    """

    label: str
    look: int
    marker: str
    points: str
    band: str
    markers: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """Axes with lines. x_ticks, y_ticks: (place, text)."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_label: str

    @property
    def box(self) -> dict[str, float]:
        """Edges of the plotting area."""
        return {"left": _LEFT, "right": WIDTH - _RIGHT, "top": _TOP, "bottom": HEIGHT - _BOTTOM}


@dataclass(frozen=True)
class Point:
    """x: the budget; y, low, high: percent, the interval None where there is none."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def looks(names: Sequence[str]) -> list[Look]:
    """Colours and markers of the figures, in colours that are seen on both backgrounds."""
    styles = style(list(names))
    return [Look(_seen(s["color"], LIGHT), _seen(s["color"], DARK), s["marker"]) for s in (styles[n] for n in names)]


def panel(
    title: str, lines: Iterable[tuple[str, int, str, Sequence[Point]]], x_label: str, x: Sequence[float],
    logarithmic: bool = False,
) -> Panel:  # fmt: skip
    """Axes from 0 to 100 % over budgets.

    Args:
      lines: (label, look, marker, points). x: the budgets of the axis, with a tick each.
      logarithmic: whether budgets are spread by their logarithm.
    """
    place = _scale([math.log10(v) for v in x] if logarithmic else x)
    across: Callable[[float], float] = (lambda v: place(math.log10(v))) if logarithmic else place
    drawn = tuple(_line(*line, across) for line in lines)
    ticks = tuple((across(v), f"{v:g}") for v in sorted(set(x)))
    return Panel(title, drawn, ticks, tuple((_up(v), str(v)) for v in range(0, 101, 20)), x_label)


def _line(label: str, look: int, marker: str, points: Sequence[Point], across: Callable) -> Line:
    points = sorted(points, key=lambda p: p.x)
    at = [(across(p.x), _up(p.y)) for p in points]
    band = ""
    if len(points) > 1 and all(p.low is not None for p in points):
        there = [(across(p.x), _up(p.high)) for p in points]
        back = [(across(p.x), _up(p.low)) for p in reversed(points)]
        band = _text(there + back)
    return Line(label, look, marker, _text(at), band, tuple(marker_path(marker, *p) for p in at))


def _scale(values: Sequence[float]) -> Callable[[float], float]:
    low, high = min(values), max(values)
    width = WIDTH - _LEFT - _RIGHT - 16
    return lambda v: round(_LEFT + 8 + (width * (v - low) / (high - low) if high > low else width / 2), 1)


def _up(percent: float) -> float:
    return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * percent / 100, 1)


def _text(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


_CORNERS = {
    "s": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "D": ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    "^": ((0, -1.2), (1.2, 1), (-1.2, 1)),
    "v": ((0, 1.2), (1.2, -1), (-1.2, -1)),
    "<": ((-1.2, 0), (1, -1.2), (1, 1.2)),
    ">": ((1.2, 0), (-1, -1.2), (-1, 1.2)),
    "P": ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2),
          (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    "X": ((-1.2, -0.6), (-0.6, -1.2), (0, -0.6), (0.6, -1.2), (1.2, -0.6), (0.6, 0), (1.2, 0.6), (0.6, 1.2), (0, 0.6),
          (-0.6, 1.2), (-1.2, 0.6), (-0.6, 0)),
    "*": tuple(
        (1.5 / (1 + k % 2 * 1.4) * math.sin(k * math.pi / 5), -1.5 / (1 + k % 2 * 1.4) * math.cos(k * math.pi / 5))
        for k in range(10)
    ),
}  # fmt: skip
"""Corners of matplotlib's markers around their centre, y down; any other marker is a circle."""
_RADIUS = 4


def marker_path(marker: str, x: float, y: float, radius: float = _RADIUS) -> str:
    """An SVG path of a marker around (x, y)."""
    if marker not in _CORNERS:
        half = f"a{radius:g},{radius:g} 0 1,0"
        return f"M{x - radius:g},{y:g}{half} {2 * radius:g},0{half} {-2 * radius:g},0"
    corners = (f"{round(x + radius * a, 1):g},{round(y + radius * b, 1):g}" for a, b in _CORNERS[marker])
    return f"M{'L'.join(corners)}Z"


# ---- colours ---------------------------------------------------------------------------------------------------------


def contrast(one: Colour, other: Colour) -> float:
    """Of two colours, components in [0, 1]; from 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _seen(colour, background: Colour) -> str:
    """Matplotlib's colour, mixed with black or white until it is seen on this background, as "#1a2b3c"."""
    rgb = (float(colour),) * 3 if isinstance(colour, str) else tuple(float(v) for v in colour[:3])
    ink = 0.0 if _luminance(background) > 0.5 else 1.0
    mixed, share = rgb, 0.0
    while contrast(mixed, background) < _CONTRAST and share < 1:
        share += 0.05
        mixed = tuple((1 - share) * v + share * ink for v in rgb)
    return "#" + "".join(f"{round(255 * v):02x}" for v in mixed)
