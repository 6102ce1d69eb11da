"""Parquet through the detector, without Kafka: the one way that rows of a file are scored, replayed or evaluated."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Outcome
from stream.errors import BundleError
from stream.intake.parquet import Batch, Hints, Layout, discover, read


@dataclass(frozen=True, slots=True)
class Step:
    """A batch of rows and what it led to.

    Attributes:
        batch: what the detector took, with the labels where the layout has them.
        refused: readings of series that are not known.
    """

    batch: Batch
    refused: int
    outcome: Outcome


def steps(
    definition: Definition,
    data: Path,
    layout: Layout,
    batch_rows: int = 8192,
    known: frozenset[str] | None = None,
) -> Iterator[Step]:
    """Sends the rows in file order through a detector that has seen nothing before.

    Args:
        batch_rows: at most so many rows at a time; what comes of them does not depend on it.
        known: readings of other series are dead, as `unknown_series: refuse` makes them online; None = all are taken.
    """
    detector = Detector(definition)
    for batch in read(data, layout, definition.sensors, batch_rows):
        taken = batch if known is None else _of_series(batch, known)
        yield Step(taken, len(batch) - len(taken), detector.push(taken.readings))


def _of_series(batch: Batch, known: frozenset[str]) -> Batch:
    """The readings of known series; their names alone are left."""
    columns = batch.columns
    kept = np.array([name in known for name in columns.names], np.bool_)[columns.series]
    labels = None if batch.labels is None else batch.labels[kept]
    return replace(batch, columns=batch.readings.rows(kept), labels=labels)


def layout_for(data: Path, hints: Hints, definition: Definition) -> Layout:
    """How the data are laid out, checked against the bundle's sensors.

    Raises:
        BundleError: so many sensors of the bundle are absent (a single one, where each has a column) that nothing
            could be scored.
    """
    layout = discover(data, hints)
    check_meeting(str(data), layout.format, definition)
    missing = [name for name in definition.sensors if name not in layout.sensors]
    # Long data may lack a sensor that seldom speaks: it is masked, as it would be online.
    if len(missing) > (definition.policy.max_missing if layout.format == "long" else 0):
        raise BundleError(
            f"{data}: has sensors {list(layout.sensors)}, the bundle was trained on {list(definition.sensors)}; "
            f"missing {missing}: take data with these columns, or train on these data"
        )
    return layout


def check_meeting(where: str, layout: Literal["wide", "long"], definition: Definition) -> None:
    """Records of one sensor each become frames only where they meet on ticks.

    Raises:
        BundleError: `layout` is long, and the bundle takes each record as a whole frame.
    """
    if layout == "long" and definition.policy.resample == "none":
        raise BundleError(
            f"{where}: records of one sensor each, but the bundle was trained on whole frames (`resample: none`); "
            "train on long data, or with `frames.resample: last`"
        )
