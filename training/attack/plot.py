"""Evasion rate against budget, a panel per norm; a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.attack.report import TITLES
from training.attack.robustness import NORMS, Evasion, Knows, Robustness
from training.panels import ALERT, FAULT, LINE, QUIET, dress

if TYPE_CHECKING:  # Half a second and 30 MB that only a picture is worth.
    from matplotlib.axes import Axes

COLOURS: dict[Knows, str] = {"recorded data": QUIET, "a surrogate": LINE, "one member": FAULT, "everything": ALERT}


def draw(of: Robustness, path: Path) -> None:
    """Solid: the ensemble. Dashed: one member. An existing file is replaced."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.2), dpi=120, facecolor="white", layout="constrained")
    members = of.field.ensemble.definition.spec.members
    for panel, norm in zip(figure.subplots(1, 2, sharey=True), NORMS, strict=True):
        for knows, colour in COLOURS.items():
            _lines(panel, [one for one in of.evasions if (one.budget.norm, one.knows) == (norm, knows)], colour)
        panel.set_xscale("log")
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel(f"{TITLES[norm]}, standard deviations", fontsize=9)
        panel.xaxis.set_major_formatter("{x:g}")
        dress(panel)
    first = figure.axes[0]
    first.set_ylabel("evasion rate", fontsize=9)
    handles = first.get_lines()[::2]
    first.legend(handles, [f"knows {knows}" for knows in COLOURS], fontsize=8.5, frameon=False)
    figure.suptitle(f"{of.strips} strips; solid: K = {members}, dashed: one member", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def _lines(panel: Axes, curve: list[Evasion], colour: str) -> None:
    sizes = [one.budget.size for one in curve]
    nothing = float("nan")
    for rates, dashes in (([one.ensemble for one in curve], "-"), ([one.alone for one in curve], "--")):
        height = [nothing if rate is None else rate for rate in rates]
        panel.plot(sizes, height, dashes, color=colour, linewidth=1.6, marker="o", markersize=3)
