"""Plot of evasion rate over budget, a panel per norm; a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.plotting import ALERT, FAULT, LINE, QUIET, drawing, dress, new_figure
from training.robustness.evasion import NORMS, Evasion, Knowledge, Robustness
from training.robustness.report import TITLES

if TYPE_CHECKING:  # matplotlib takes half a second and 30 MB: imported only where a picture is drawn.
    from matplotlib.axes import Axes

COLOURS: dict[Knowledge, str] = {"recorded data": QUIET, "a surrogate": LINE, "one member": FAULT, "everything": ALERT}


@drawing
def draw(of: Robustness, path: Path) -> None:
    """Draws the ensemble solid, one member dashed, the counterpart dotted. An existing file is replaced."""
    figure = new_figure(10.0, 4.2, dpi=120, facecolor="white", layout="constrained")
    spec = of.setup.ensemble.definition.spec
    for panel, norm in zip(figure.subplots(1, 2), NORMS, strict=True):
        for knows, colour in COLOURS.items():
            _lines(panel, [one for one in of.evasions if (one.norm, one.knows) == (norm, knows)], colour)
        panel.set_xscale("log")
        panel.set_ylim(-0.02, 1.02)
        panel.set_xlabel(f"{TITLES[norm]}, standard deviations", fontsize=9)
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("")
        dress(panel)
    first = figure.axes[0]
    first.set_ylabel("evasion rate", fontsize=9)
    handles = first.get_lines()[::3]
    first.legend(handles, [f"knows {knows}" for knows in COLOURS], fontsize=8.5, frameon=False)
    other = "without the" if spec.discriminator else "with a"
    lines = f"solid: K = {spec.members}, dashed: one member, dotted: {other} discriminator"
    figure.suptitle(f"{of.segments} strips; {lines}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def _lines(panel: Axes, curve: list[Evasion], colour: str) -> None:
    sizes = [one.budget for one in curve]
    nothing = float("nan")
    styles = {
        "-": [one.ensemble for one in curve],
        "--": [one.alone for one in curve],
        ":": [one.counterpart for one in curve],
    }
    for dashes, rates in styles.items():
        height = [nothing if rate is None else rate for rate in rates]
        panel.plot(sizes, height, dashes, color=colour, linewidth=1.6, marker="o", markersize=3)
