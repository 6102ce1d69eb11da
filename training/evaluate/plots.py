"""The plots of the page as inline SVG. Text stays text, nothing is fetched, and equal data give equal files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stream.intake.columns import Bools, Float64s, Int64s
from stream.registry.capacity_facts import InjectedKind
from training.data.spans import Span
from training.evaluate.promise import CurvePoint
from training.evaluate.worst import WorstWindow
from training.metrics.events import OPEN_END
from training.plotting import (
    ALERT,
    FAULT,
    LINE,
    QUIET,
    axis_name,
    draw_lanes,
    draw_score,
    drawing,
    dress,
    label_axis,
    new_figure,
    time_axis,
    visible,
)

if TYPE_CHECKING:  # The import takes half a second and 30 MB, so only a plot pays for it.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points of a line across the page; more than the pixels of a screen only make the file larger.
ACROSS = 1200
# The shaded band of the curve: the promise is kept within this factor.
KEPT_WITHIN = 2.0
# On a field darker than this the figures are white.
DARK = 0.55


def peaks(time: Int64s, score: Float64s, points: int = ACROSS) -> Int64s:
    """Picks the rows to draw of a long line: the highest score in each of `points` equal stretches of time.

    Args:
        time: int64 (T,), ascending.
        score: float64 (T,), NaN where there is none; such a row is picked where a stretch has no other.

    Returns:
        int64, at most `points` rows, ascending. The highest score is among them.
    """
    if len(time) <= points:
        return np.arange(len(time), dtype=np.int64)
    # In float64: the product of a span in ns and a number of points may be too large for int64.
    stretch = np.floor((time - time[0]) / (float(time[-1] - time[0]) + 1.0) * points).astype(np.int64)
    height = np.nan_to_num(score, nan=-1.0)
    order = np.lexsort((-height, stretch))
    return np.sort(order[np.flatnonzero(np.diff(stretch[order], prepend=-1))]).astype(np.int64)


@drawing
def series_plot(time: Int64s, score: Float64s, after_gap: Bools, events: Sequence[Span], alerts: Sequence[Span]) -> str:
    """Draws the score of a series over time with its threshold, labelled events and alerts.

    Args:
        time: int64 (T,), ns.
        score: float64 (T,), NaN where there is none.
        after_gap: bool (T,), frames after a gap; no line is drawn across it.
    """
    figure = new_figure(11.0, 2.7, facecolor="none")
    lanes, below = figure.subplots(2, 1, sharex=True, height_ratios=[0.5, 2.0])
    clock = time.view("datetime64[ns]")
    first, last = clock[0], max(clock[-1], clock[0] + np.timedelta64(1, "s"))
    shown = peaks(time, score)
    broken = np.flatnonzero(np.diff(np.cumsum(after_gap)[shown])) + 1
    at, height = np.insert(clock[shown], broken, clock[shown][broken]), np.insert(score[shown], broken, np.nan)
    marked, raised = ([visible(s.start_ns, _end(s), first, last) for s in spans] for spans in (events, alerts))
    draw_lanes(lanes, marked, [""] * len(marked), raised, "labelled")
    draw_score(below, at, height)
    for panel in (lanes, below):
        dress(panel)
        for begin, end in marked:
            panel.axvspan(begin, end, color=FAULT, alpha=0.16, linewidth=0, zorder=0)
    lanes.set_xlim(first, last)
    time_axis(below, first)
    figure.subplots_adjust(left=0.075, right=0.93, top=0.99, bottom=0.2, hspace=0.06)
    return _svg(figure)


def _end(span: Span) -> int | None:
    return None if span.end_ns == OPEN_END else span.end_ns


@drawing
def window_plot(window: WorstWindow) -> str:
    """Draws observed and expected values of the sensors that stand out at a peak."""
    figure = new_figure(5.3, 0.55 + 1.0 * len(window.sensors), facecolor="none")
    panels = np.atleast_1d(figure.subplots(len(window.sensors), 1, sharex=True))
    clock = window.time.view("datetime64[ns]")
    for panel, sensor in zip(panels, window.sensors, strict=True):
        panel.axvline(clock[window.peak], color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
        panel.plot(clock, sensor.expected, color=ALERT, linewidth=1.1)
        panel.plot(clock, sensor.observed, color=LINE, linewidth=1.1)
        label_axis(panel, f"{axis_name(sensor.name)}\n{sensor.share:.0%}")
        panel.yaxis.set_label_coords(-0.14, 0.5)  # room for the figures of a narrow panel
        panel.locator_params(axis="y", nbins=3)
        panel.margins(y=0.12)
        dress(panel)
    time_axis(panels[-1], clock[0], most=5)
    figure.subplots_adjust(left=0.31, right=0.98, top=0.98, bottom=0.42 / (0.55 + len(panels)) + 0.05, hspace=0.25)
    return _svg(figure)


@drawing
def curve_plot(points: Sequence[CurvePoint], q: float) -> str:
    """Draws the realised over the promised share of normal frames above a level; on the diagonal they are equal."""
    figure = new_figure(5.3, 4.0, facecolor="none")
    panel = figure.subplots()
    promised = np.array([point.promised for point in points])
    realised = np.array([point.realised for point in points])
    least = float(min(promised.min(), realised[realised > 0].min(initial=1.0)))
    diagonal = np.array([least / 2, 1.0])
    panel.fill_between(diagonal, diagonal / KEPT_WITHIN, diagonal * KEPT_WITHIN, color="#EEEEEE", linewidth=0)
    panel.plot(diagonal, diagonal, color=QUIET, linewidth=0.8, linestyle=(0, (5, 3)))
    # A share of 0 has no place on a logarithmic axis: it is drawn at the lower edge.
    panel.plot(promised, np.maximum(realised, least / 2), color=LINE, linewidth=1.6)
    _mark_threshold(panel, points, q, least)
    panel.set(xscale="log", yscale="log", xlim=(least / 2, 1.0), ylim=(least / 2, 1.0))
    panel.set_xlabel("promised share above", fontsize=8.5, color=QUIET)
    panel.set_ylabel("realised", fontsize=9)
    dress(panel)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        axis.set_minor_formatter("")
    figure.subplots_adjust(left=0.16, right=0.93, top=0.97, bottom=0.14)
    return _svg(figure)


def _mark_threshold(panel: Axes, points: Sequence[CurvePoint], q: float, least: float) -> None:
    """Marks the threshold among the levels, or at the edge where it lies beyond the last of them."""
    at = next((point.promised for point in points if point.ratio >= q), least / 2)
    panel.axvline(at, color=ALERT, linewidth=1.1, linestyle=(0, (5, 3)))
    beyond = " (beyond calibration)" if at == least / 2 else ""
    panel.annotate(
        f"threshold{beyond}", (at, 0.9), (5, 0), textcoords="offset points", color=ALERT, fontsize=8.5, va="top"
    )


@drawing
def strength_plot(kinds: Mapping[str, InjectedKind]) -> str:
    """Draws the share of synthetic anomalies found: a row for each kind, a field for each size, darker for more.

    Args:
        kinds: of `CapacityFacts`, by name.
    """
    from matplotlib.patches import Rectangle

    most = max(len(one.sizes) for one in kinds.values())
    figure = new_figure(8.0, 0.35 + 0.36 * len(kinds), facecolor="none")
    panel = figure.subplots()
    for row, one in enumerate(kinds.values()):
        for column, one_size in enumerate(one.sizes):
            share = one_size.found
            panel.add_patch(Rectangle((column + 0.02, row + 0.06), 0.96, 0.88, color=LINE, alpha=0.06 + 0.94 * share))
            ink = "white" if share > DARK else "#444444"
            panel.text(column + 0.09, row + 0.5, f"{one_size.size:g}", color=ink, fontsize=8, va="center")
            panel.text(
                column + 0.91, row + 0.5, f"{share:.0%}", color=ink, fontsize=9, va="center", ha="right", weight="bold"
            )
        if one.why_none is not None:
            panel.text(0.09, row + 0.5, one.why_none, color=QUIET, fontsize=8, va="center")
    panel.set(xlim=(0, max(most, 1)), ylim=(len(kinds), 0))
    panel.set_xticks([])
    names = [f"{kind.replace('_', ' ')}, {one.unit}" for kind, one in kinds.items()]
    panel.set_yticks(np.arange(len(kinds)) + 0.5, names)
    dress(panel)
    panel.spines["bottom"].set_visible(False)
    figure.subplots_adjust(left=0.25, right=0.99, top=0.98, bottom=0.03)
    return _svg(figure)


def _svg(figure: Figure) -> str:
    """The figure as an SVG element, without prolog and metadata, which name addresses."""
    from matplotlib import rc_context

    into = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "narrows", "font.family": "sans-serif"}):
        figure.savefig(into, format="svg", transparent=True, metadata={"Date": None})
    drawn = into.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    before, _, rest = drawn.partition("<metadata>")
    return (before + rest.partition("</metadata>")[2]).strip() if rest else drawn.strip()
