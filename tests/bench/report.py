"""Rates as shares of the limit and as multiples of the textbook loop, with their conditions."""

import json
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from tests.bench.plant import HIDDEN, LATENT, SENSORS, SMOOTHING, WINDOW
from tests.bench.race import PARTITIONS, SEED, Row
from tests.support.conditions import broker_conditions

MB = 1e6


def conditions(rows: list[Row]) -> dict[str, Any]:
    """Conditions under which the figures were taken."""
    plants = {row.plant.name: row for row in rows}
    return {
        **broker_conditions(),
        "torch": torch.__version__,
        "torch_threads": 1,
        "seed": SEED,
        "partitions": PARTITIONS,
        "model": f"dense {WINDOW * SENSORS}-{HIDDEN}-{LATENT}-{HIDDEN}-{WINDOW * SENSORS}, W={WINDOW}, F={SENSORS}, "
        f"stride 1, M={SMOOTHING}, error of the whole window",
        "bytes_per_message": {plant: round(row.input_bytes / row.job.readings, 1) for plant, row in plants.items()},
        "messages": {plant: row.job.readings for plant, row in plants.items()},
        "repetitions": len(rows[0].measured),
    }


def summaries(rows: list[Row]) -> list[dict[str, Any]]:
    """A summary for each row: medians over the repetitions; ratios are taken within each repetition first."""
    limits = {row.job.name: row for row in rows if row.job.contender == "raw"}
    textbook = next(row for row in rows if row.job.contender == "textbook")
    return [_summary(row, limits[row.limit], textbook) for row in rows]


def _summary(row: Row, limit: Row, textbook: Row) -> dict[str, Any]:
    last, serves = row.measured[-1], row.job.contender == "narrows"
    return {
        "name": row.name,
        "series": row.plant.series,
        "readings": last.readings,
        "readings_per_s": round(median(m.rate for m in row.measured)),
        "of_limit": _ratio(row, limit),
        # A reading of the textbook loop is a whole frame.
        "times_textbook": None if row.plant.long else _ratio(row, textbook),
        "cpu_us": round(median(m.cpu_us for m in row.measured), 2),
        "memory_mb": round(median(m.memory for m in row.measured) / MB) if serves else None,
        "memory_before_mb": round(median(m.memory_before for m in row.measured) / MB) if serves else None,
        "state_of_input": round(median(row.state_bytes) / row.input_bytes, 4) if serves else None,
        "alerts": row.alerts[-1] if serves else None,
        "counts": last.counts,
        "all_readings_per_s": [round(m.rate) for m in row.measured],
    }


def _ratio(row: Row, to: Row) -> float:
    pairs = zip(row.measured, to.measured, strict=True)
    return round(median(mine.rate / other.rate for mine, other in pairs), 4)


def table(found: list[dict[str, Any]]) -> Table:
    """Table of the summaries."""
    shown = Table(caption="memory: resident at the end (before the first reading)", caption_justify="left")
    headings = ("", "series", "readings/s", "of limit", "x textbook", "CPU us", "memory", "state/input", "alerts")
    for heading in headings:
        shown.add_column(heading, justify="left" if not heading else "right")
    for row in found:
        shown.add_row(
            row["name"],
            f"{row['series']:,}",
            f"{row['readings_per_s']:,}",
            f"{row['of_limit']:.3f}",
            "" if row["times_textbook"] is None else f"{row['times_textbook']:.1f}",
            f"{row['cpu_us']:.2f}",
            "" if row["memory_mb"] is None else f"{row['memory_mb']} ({row['memory_before_mb']}) MB",
            "" if row["state_of_input"] is None else f"{row['state_of_input']:.3f}",
            "" if row["alerts"] is None else str(row["alerts"]),
        )
    return shown


def show(rows: list[Row], as_json: bool) -> None:
    """Prints the table and its conditions, or the JSON, on stdout."""
    taken, found = conditions(rows), summaries(rows)
    if as_json:
        print(json.dumps({"conditions": taken, "rows": found}, indent=2))
        return
    # A console of its own for each call: it writes to what stdout is at the time.
    Console(width=120).print(table(found))
    for name, value in taken.items():
        print(f"{name.replace('_', ' ')}: {value}")
