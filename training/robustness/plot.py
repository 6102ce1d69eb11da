"""Evasion rate against budget, a panel per norm, and thresholds under poisoned recalibration; a PNG."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.plotting import ALERT, FAULT, LINE, QUIET, dress
from training.robustness.evasion import NORMS, Evasion, Knows, Robustness
from training.robustness.poisoning import Poisoning
from training.robustness.report import TITLES

if TYPE_CHECKING:  # Half a second and 30 MB that only a picture is worth.
    from matplotlib.axes import Axes

COLOURS: dict[Knows, str] = {"recorded data": QUIET, "a surrogate": LINE, "one member": FAULT, "everything": ALERT}


def draw(of: Robustness, path: Path) -> None:
    """Solid: the ensemble. Dashed: one member. Dotted: the counterpart. An existing file is replaced."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.0, 4.2), dpi=120, facecolor="white", layout="constrained")
    members = of.field.ensemble.definition.spec.members
    *panels, last = figure.subplots(1, 3)
    for panel, norm in zip(panels, NORMS, strict=True):
        for knows, colour in COLOURS.items():
            _lines(panel, [one for one in of.evasions if (one.budget.norm, one.knows) == (norm, knows)], colour)
        panel.set_xscale("log")
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel(f"{TITLES[norm]}, standard deviations", fontsize=9)
        panel.xaxis.set_major_formatter("{x:g}")
        dress(panel)
    first = figure.axes[0]
    first.set_ylabel("evasion rate", fontsize=9)
    handles = first.get_lines()[::3]
    first.legend(handles, [f"knows {knows}" for knows in COLOURS], fontsize=8.5, frameon=False)
    _walks(last, of.poisonings)
    other = "without the" if of.field.ensemble.definition.spec.discriminator else "with a"
    figure.suptitle(
        f"{of.strips} strips; solid: K = {members}, dashed: one member, dotted: {other} discriminator", fontsize=10
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def _lines(panel: Axes, curve: list[Evasion], colour: str) -> None:
    sizes = [one.budget.size for one in curve]
    nothing = float("nan")
    styles = {
        "-": [one.ensemble for one in curve],
        "--": [one.alone for one in curve],
        ":": [one.counterpart for one in curve],
    }
    for dashes, rates in styles.items():
        height = [nothing if rate is None else rate for rate in rates]
        panel.plot(sizes, height, dashes, color=colour, linewidth=1.6, marker="o", markersize=3)


def _walks(panel: Axes, poisonings: tuple[Poisoning, ...]) -> None:
    """The threshold after each run, a line for each attacker with the least share of the time that got him furthest."""
    furthest = {one.how: one for one in sorted(poisonings, key=lambda one: (one.threshold, -one.share))}
    colours = (QUIET, LINE, FAULT, ALERT)
    for (how, one), colour in zip(furthest.items(), itertools.cycle(colours)):
        walk = np.cumprod([1.0, *(1.0 if factor is None else factor for factor in one.factors)])
        label = f"{how}, {one.share:.0%} of the time"
        panel.plot(range(len(walk)), walk, color=colour, linewidth=1.6, marker="o", markersize=3, label=label)
    panel.set_ylim(top=1.25 * panel.get_ylim()[1])  # room for the legend
    panel.legend(fontsize=8.5, frameon=False, loc="upper left")
    panel.set_xlabel("poisoned recalibrations", fontsize=9)
    panel.set_ylabel("threshold, as a part of what it was", fontsize=9)
    dress(panel)
