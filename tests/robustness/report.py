"""A study as tables for a terminal, and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from stream.terminal import framed_table
from stream.terminal import show as print_report
from tests.robustness.poisoning import RUNS
from tests.robustness.study import Study
from training.robustness.report import NONE, percent


def facts(of: Study) -> dict[str, Any]:
    """Every figure as JSON; null where there is none."""
    return asdict(of) | {"seconds": round(of.seconds, 1)}


def show(of: Study) -> None:
    """Prints a sentence and the tables on stdout."""
    found = f"{of.segments} segments attacked, all found by the bundle, of {of.looked_at} of labelled events"
    print_report([f"{found}; {of.seconds:.0f} s"], _tables(of))


def _tables(of: Study) -> Iterable[Table]:
    table = framed_table("sensors that replay recorded normal data", ("sensors", "evaded", "disagreement unusual"))
    for replayed in of.replay_attacks:
        table.add_row(f"{replayed.sensors}", percent(replayed.evaded), percent(replayed.flagged))
    yield table
    table = framed_table(
        "a sensor that drifts away, in standard deviations", ("per frame", "noticed", "at, median", "shown up to")
    )
    for drift in of.slow_drifts:
        reached = NONE if drift.reached is None else f"{drift.reached:.2g}"
        table.add_row(f"{drift.speed:g}", f"{drift.noticed} of {drift.sensors}", reached, f"{drift.furthest:.2g}")
    yield table
    table = framed_table(
        f"recalibration poisoned {RUNS} times: factor of the threshold in each run",
        ("who knows the threshold", "of the time", "factors", "in the end"),
    )
    for one in of.poisonings:
        factors = " ".join("refused" if factor is None else f"{factor:.3g}" for factor in one.factors)
        table.add_row(one.how, f"{one.share:.0%}", factors, f"{one.threshold:.3g}")
    yield table
