"""Samples from the prior of a variational model: windows that the model takes for normal, in the sensors' units.

A pattern that never occurs among the samples raises alerts. A wrong pattern among the samples is not detected.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from stream.detect.definition import Definition
from stream.detect.frames.scale import POOLED
from stream.detect.model.autoencoders import load
from stream.detect.model.kind import GenerativeAutoencoder
from stream.errors import BundleError
from stream.intake.columns import Float64s
from stream.registry.bundle import weights
from training.plotting import axis_name, drawing, new_figure

if TYPE_CHECKING:  # Only a plot needs it, and the import takes half a second and 30 MB.
    from matplotlib.axes import Axes

SAMPLE, STEP = "sample", "step"
SHOWN, PANELS = 30, 24  # windows shown as lines, sensors at most in a picture
_LINE, _BAND, _MIDDLE = "#0072B2", "#56B4E9", "#222222"  # Okabe and Ito's palette


@dataclass(frozen=True)
class PriorSamples:
    """n windows of the sensors. `values` is float64 (n, W, F), in the sensors' units by the pooled scale."""

    sensors: tuple[str, ...]
    values: Float64s


def draw_samples(folder: Path, definition: Definition, count: int, seed: int) -> PriorSamples:
    """Draws `count` windows from the members in turn.

    Raises:
        BundleError: the model of the bundle has no prior.
    """
    spec = definition.spec
    model = load(spec, weights(folder))
    if not isinstance(model, GenerativeAutoencoder):
        raise BundleError(
            f"{folder}: a {spec.kind} model has no prior to draw windows from; "
            "train one with `model.kind: variational`, or point `bundle` at one"
        )
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randn(spec.members, -(-count // spec.members), spec.latent, generator=draw)
    windows = model.decoded(codes).transpose(0, 1).flatten(0, 1)[:count].double().numpy()  # (n, W, F)
    pooled = definition.scales.row(POOLED)
    return PriorSamples(definition.sensors, windows * definition.scales.scale[pooled] + definition.scales.mean[pooled])


def write_samples(samples: PriorSamples, path: Path) -> None:
    """Writes a row per window and step (0: the oldest), with the columns sample, step, and one per sensor.

    Raises:
        BundleError: a sensor has the name of one of the other columns.
    """
    clashing = {SAMPLE, STEP} & set(samples.sensors)
    if clashing:
        raise BundleError(f"sensors {sorted(clashing)} have the names of the table's own columns; train with others")
    count, window, sensors = samples.values.shape
    of, step = np.divmod(np.arange(count * window), window)
    columns = samples.values.reshape(-1, sensors).T
    table = {SAMPLE: of, STEP: step.astype(np.int32), **dict(zip(samples.sensors, columns, strict=True))}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


@drawing
def plot_samples(samples: PriorSamples, path: Path) -> None:
    """Draws a panel per sensor as PNG: some windows, the median of all, and the band that holds nine in ten."""
    names = samples.sensors[:PANELS]
    figure = new_figure(8.0, 1.0 + 1.3 * len(names), dpi=120, facecolor="white", layout="constrained")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for panel, name, values in zip(panels, names, samples.values.transpose(2, 0, 1), strict=False):
        _panel(panel, name, values)
    panels[-1].set_xlabel("frames before the newest", fontsize=8.5)
    left = len(samples.sensors) - len(names)
    title = f"{len(samples.values)} windows drawn from the prior" + (f"; {left} sensors are not shown" if left else "")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", fontweight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={"Software": None})


def _panel(panel: "Axes", name: str, windows: Float64s) -> None:
    """Draws the windows (n, W) of one sensor."""
    steps = np.arange(windows.shape[1]) - (windows.shape[1] - 1)
    low, middle, high = np.quantile(windows, (0.05, 0.5, 0.95), axis=0)
    panel.fill_between(steps, low, high, color=_BAND, alpha=0.25, linewidth=0)
    # A window of one frame is a point.
    panel.plot(steps, windows[:SHOWN].T, color=_LINE, linewidth=0.6, alpha=0.5, marker="." if len(steps) == 1 else "")
    panel.plot(steps, middle, color=_MIDDLE, linewidth=1.2, marker="_" if len(steps) == 1 else "")
    panel.set_ylabel(axis_name(name), rotation=0, ha="right", va="center", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=8, length=0)
