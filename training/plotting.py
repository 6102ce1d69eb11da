"""Figures and their panels: a score with its threshold, lanes of spans, plain axes; names are shown as they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from stream.intake.columns import Float64s
from stream.messages import printable, shortened

if TYPE_CHECKING:  # The import takes half a second and 30 MB, so only a figure pays for it.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito: distinct for the colour-blind, and in grey.
LINE, FAULT, ALERT, SCORE, QUIET = "#0072B2", "#E69F00", "#D55E00", "#222222", "#777777"
LOWEST = 0.05  # the score axis starts here
SHORTEST_SPAN = 0.004  # share of the time axis: shorter spans would be too thin to see

LONGEST_NAME = 18  # characters of a name beside an axis

P = ParamSpec("P")
T = TypeVar("T")
Span = tuple[np.datetime64, np.datetime64]


def drawing(draw: Callable[P, T]) -> Callable[P, T]:
    """Lets a function draw text from outside: a dollar is a dollar, and a character without a glyph is no warning."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        from matplotlib import rc_context

        with rc_context({"text.parse_math": False}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            return draw(*args, **kwargs)

    return wrapped


def new_figure(width: float, height: float, **options: object) -> Figure:
    """A figure, in inches; `options` are those of matplotlib. Call it in a function that is `drawing`."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    assert not rcParams["text.parse_math"], "names would be read as formulas: decorate the function with `drawing`"
    return Figure(figsize=(width, height), **options)  # type: ignore[arg-type]


def axis_name(name: str) -> str:
    """A name beside an axis: printable, and short."""
    return shortened(name, LONGEST_NAME)


def visible(start_ns: int, end_ns: int | None, first: np.datetime64, last: np.datetime64) -> Span:
    """The part of a span within the figure, wide enough to see; an open end is at the edge."""
    begin = max(np.datetime64(start_ns, "ns"), first)
    end = last if end_ns is None else min(np.datetime64(end_ns, "ns"), last)
    return begin, max(end, begin + (last - first) * SHORTEST_SPAN)


def label_axis(panel: Axes, text: str) -> None:
    """Writes a label left of the vertical axis."""
    panel.set_ylabel(
        printable(text, keep="\n"), rotation=0, ha="right", va="center", multialignment="right", fontsize=9
    )
    panel.yaxis.set_label_coords(-0.04, 0.5)


def draw_lanes(panel: Axes, faults: Sequence[Span], names: Sequence[str], alerts: Sequence[Span], known: str) -> None:
    """Draws two rows of bars: faults with their names, and alerts.

    Args:
        known: label of the row of faults.
    """
    for lane, spans, colour in ((1, faults, FAULT), (0, alerts, ALERT)):
        for begin, end in spans:
            panel.plot([begin, end], [lane, lane], color=colour, linewidth=7, solid_capstyle="butt")
    for (begin, _), name in zip(faults, names, strict=True):
        panel.annotate(printable(name), (begin, 1), (3, 5), textcoords="offset points", fontsize=8.5, va="bottom")
    panel.set_ylim(-0.7, 2.2 if names else 1.7)
    panel.set_yticks([1, 0], [known, "alert"])


def draw_score(panel: Axes, clock: np.ndarray, scores: Float64s) -> None:
    """Draws the score on a logarithmic axis, filled above the threshold."""
    shown = np.maximum(scores, LOWEST)
    above = np.isfinite(shown) & (shown > 1.0)
    panel.set_yscale("log")
    panel.plot(clock, shown, color=SCORE, linewidth=0.9)
    panel.fill_between(clock, 1.0, shown, where=above, color=ALERT, alpha=0.55, linewidth=0, interpolate=True)
    panel.axhline(1.0, color=ALERT, linewidth=1.1, linestyle=(0, (5, 3)))
    panel.annotate(
        "threshold", (1.0, 1.0), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        color=ALERT, fontsize=8.5, va="center", annotation_clip=False,
    )  # fmt: skip
    label_axis(panel, "score")
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    panel.set_ylim(LOWEST, max(3.0, 1.6 * top))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("")


def dress(panel: Axes) -> None:
    """Removes the box, and sets a faint grid and small grey labels."""
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color("#DDDDDD")
    panel.grid(axis="x", color="#EEEEEE", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", colors=QUIET, labelsize=8.5, length=0)
    panel.tick_params(axis="y", labelcolor="#444444")


def time_axis(panel: Axes, first: np.datetime64, most: int = 13) -> None:
    """Labels the time axis with at most `most` short time stamps, and once with the first day."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=most // 2, maxticks=most)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    panel.set_xlabel(f"UTC, from {np.datetime_as_string(first, unit='D')}", fontsize=8.5, color=QUIET)
