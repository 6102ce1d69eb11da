"""One pump on one page: its sensors, what was injected, what was alerted on, and the score; a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stream.intake.columns import Float64s, Int64s
from training.fleet import Fault
from training.found import Alert

if TYPE_CHECKING:  # Half a second and 30 MB that only a picture is worth.
    from matplotlib.axes import Axes

# Okabe and Ito's palette: told apart by the colour-blind, and in grey.
_LINE, _FAULT, _ALERT, _SCORE, _QUIET = "#0072B2", "#E69F00", "#D55E00", "#222222", "#777777"
_LOWEST = 0.05  # the score axis starts here: nothing is to be seen far below the threshold
_LANE_ROOM = 0.004  # of the time axis: a fault of one reading would be too thin to see

Span = tuple[np.datetime64, np.datetime64]


def draw(
    readings: pd.DataFrame,
    units: Mapping[str, str],
    times: Int64s,
    scores: Float64s,
    alerts: Sequence[Alert],
    faults: Sequence[Fault],
    path: Path,
    title: str = "",
) -> None:
    """Stacked plots over one time axis: sensors, a lane each for faults and alerts, the score with its threshold.

    Args:
        readings: of one series: time and the sensors, in time order.
        units: sensor -> unit; which sensors to show, and in what order.
        times: int64 (P,), ns UTC. scores: float64 (P,), NaN where there is none.
        alerts, faults: of this series.
        path: where the PNG goes; an existing file is replaced.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.9 + 1.05 * len(units)), dpi=120, facecolor="white", layout="constrained")
    panels = figure.subplots(len(units) + 2, 1, sharex=True, height_ratios=[1.0] * len(units) + [0.55, 2.1])
    clock = readings["time"].dt.tz_convert(None).to_numpy()
    first, last = clock[0], clock[-1]
    injected = [_visible(fault.start_ns, fault.end_ns, first, last) for fault in faults]
    raised = [_visible(alert.started_ns, alert.ended_ns, first, last) for alert in alerts]
    for panel, (sensor, unit) in zip(panels, units.items(), strict=False):
        _sensor(panel, clock, readings[sensor].to_numpy(), f"{sensor}\n{unit}")
    _lanes(panels[-2], injected, [_named(fault) for fault in faults], raised)
    _score(panels[-1], times.view("datetime64[ns]"), scores)
    for panel in panels:
        _dress(panel)
        for begin, end in injected:
            panel.axvspan(begin, end, color=_FAULT, alpha=0.16, linewidth=0, zorder=0)
    panels[0].set_xlim(first, last)
    _time_axis(panels[-1], first)
    if title:
        figure.suptitle(f"{title}\n", fontsize=13, x=0.01, ha="left", fontweight="bold", linespacing=0.6)
    figure.savefig(path, metadata={"Software": None})


def _visible(start_ns: int, end_ns: int | None, first: np.datetime64, last: np.datetime64) -> Span:
    """The span within the picture, open ends at its edge, wide enough to see."""
    begin = max(np.datetime64(start_ns, "ns"), first)
    end = last if end_ns is None else min(np.datetime64(end_ns, "ns"), last)
    return begin, max(end, begin + (last - first) * _LANE_ROOM)


def _named(fault: Fault) -> str:
    return fault.kind if fault.expected == "alert" else f"{fault.kind} (should pass)"


def _sensor(panel: Axes, clock: np.ndarray, values: np.ndarray, label: str) -> None:
    panel.plot(clock, values, color=_LINE, linewidth=0.7)
    _label(panel, label)
    panel.locator_params(axis="y", nbins=3)
    panel.margins(y=0.12)


def _label(panel: Axes, label: str) -> None:
    panel.set_ylabel(label, rotation=0, ha="right", va="center", multialignment="right", fontsize=9)
    panel.yaxis.set_label_coords(-0.04, 0.5)


def _lanes(panel: Axes, injected: Sequence[Span], names: Sequence[str], raised: Sequence[Span]) -> None:
    """Two rows of bars: what was injected, what was alerted on."""
    for lane, spans, colour in ((1, injected, _FAULT), (0, raised, _ALERT)):
        for begin, end in spans:
            panel.plot([begin, end], [lane, lane], color=colour, linewidth=7, solid_capstyle="butt")
    for (begin, _), name in zip(injected, names, strict=True):
        panel.annotate(name, (begin, 1), (3, 5), textcoords="offset points", fontsize=8.5, va="bottom")
    panel.set_ylim(-0.7, 2.2)
    panel.set_yticks([1, 0], ["injected", "alert"])


def _score(panel: Axes, clock: np.ndarray, scores: Float64s) -> None:
    """The score on a logarithmic axis; above the threshold it is filled."""
    shown = np.maximum(scores, _LOWEST)
    above = np.isfinite(shown) & (shown > 1.0)
    panel.set_yscale("log")
    panel.plot(clock, shown, color=_SCORE, linewidth=0.9)
    panel.fill_between(clock, 1.0, shown, where=above, color=_ALERT, alpha=0.55, linewidth=0, interpolate=True)
    panel.axhline(1.0, color=_ALERT, linewidth=1.1, linestyle=(0, (5, 3)))
    panel.annotate(
        "threshold", (1.0, 1.0), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        color=_ALERT, fontsize=8.5, va="center", annotation_clip=False,
    )  # fmt: skip
    _label(panel, "score")
    top = float(np.nanmax(shown)) if np.isfinite(shown).any() else 1.0
    panel.set_ylim(_LOWEST, max(3.0, 1.6 * top))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter("")


def _dress(panel: Axes) -> None:
    """No box, a faint grid, small grey figures: the lines are the picture."""
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.spines["bottom"].set_color("#DDDDDD")
    panel.grid(axis="x", color="#EEEEEE", linewidth=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", colors=_QUIET, labelsize=8.5, length=0)
    panel.tick_params(axis="y", labelcolor="#444444")


def _time_axis(panel: Axes, first: np.datetime64) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=6, maxticks=13)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    panel.set_xlabel(f"UTC, from {np.datetime_as_string(first, unit='D')}", fontsize=8.5, color=_QUIET)
