"""Picture of one pump: its sensors, the injected faults, the alerts and the score; a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stream.intake.columns import Float64s, Int64s
from stream.messages import printable
from training.demo.fleet import Fault
from training.demo.scoreboard import Alert
from training.plotting import (
    FAULT,
    LINE,
    draw_lanes,
    draw_score,
    drawing,
    dress,
    label_axis,
    new_figure,
    time_axis,
    visible,
)

if TYPE_CHECKING:  # matplotlib takes half a second and 30 MB: imported only where a picture is drawn.
    from matplotlib.axes import Axes


@drawing
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
    """Stacks plots over one time axis: sensors, a lane each for faults and alerts, the score with its threshold.

    Args:
        readings: time and sensors of one series, in time order.
        units: sensor -> unit of the sensors to show, in their order.
        times: int64 (P,), ns UTC.
        scores: float64 (P,), NaN where there is none.
        alerts, faults: those of this series.
        path: the PNG; an existing file is replaced.
    """
    figure = new_figure(11.0, 3.9 + 1.05 * len(units), dpi=120, facecolor="white", layout="constrained")
    panels = figure.subplots(len(units) + 2, 1, sharex=True, height_ratios=[1.0] * len(units) + [0.55, 2.1])
    clock = readings["time"].dt.tz_convert(None).to_numpy()
    first, last = clock[0], clock[-1]
    injected = [visible(fault.start_ns, fault.end_ns, first, last) for fault in faults]
    raised = [visible(alert.started_ns, alert.ended_ns, first, last) for alert in alerts]
    for panel, (sensor, unit) in zip(panels, units.items(), strict=False):
        _sensor(panel, clock, readings[sensor].to_numpy(), f"{sensor}\n{unit}")
    draw_lanes(panels[-2], injected, [_named(fault) for fault in faults], raised, "injected")
    draw_score(panels[-1], times.view("datetime64[ns]"), scores)
    for panel in panels:
        dress(panel)
        for begin, end in injected:
            panel.axvspan(begin, end, color=FAULT, alpha=0.16, linewidth=0, zorder=0)
    panels[0].set_xlim(first, last)
    time_axis(panels[-1], first)
    if title:
        figure.suptitle(f"{printable(title)}\n", fontsize=13, x=0.01, ha="left", fontweight="bold", linespacing=0.6)
    figure.savefig(path, metadata={"Software": None})


def _named(fault: Fault) -> str:
    return fault.kind if fault.expected == "alert" else f"{fault.kind} (should pass)"


def _sensor(panel: Axes, clock: np.ndarray, values: np.ndarray, label: str) -> None:
    panel.plot(clock, values, color=LINE, linewidth=0.7)
    label_axis(panel, label)
    panel.locator_params(axis="y", nbins=3)
    panel.margins(y=0.12)
