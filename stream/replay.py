"""Parquet through the detector, without Kafka: the one path on which rows of a file are scored, replayed and evaluated.

`steps` yields batches with their outcomes. `replay` turns them into alerts and a file of verdicts: `narrows replay`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stream.counters import Count
from stream.detect.definition import Definition
from stream.detect.detector import Detector
from stream.detect.outcome import Outcome, Verdict
from stream.detect.series_counts import SeriesCounter
from stream.detect.stream_clock import StreamClock
from stream.detect.unwatched import unwatched_limit
from stream.errors import BundleError, ConfigError
from stream.events.account import SeriesAccount, series_accounts
from stream.events.alert import Alert, Source, alert
from stream.events.data_events import ClockRestarted
from stream.events.record import encode
from stream.intake.bad_values import total
from stream.intake.columns import Disposition, Float64s, Int64s
from stream.intake.tables.reader import Batch, Hints, Layout, discover
from stream.offline.naming import of_only_series
from stream.offline.rows import checked, look, rows_in_order

SCORE_SCHEMA = pa.schema(
    [
        ("series", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("ns", "UTC")),
        ("verdict", pa.dictionary(pa.int32(), pa.string())),
        ("score", pa.float64()),
        ("level", pa.float64()),
        ("error", pa.float64()),
        ("disagreement", pa.float64()),
        ("imputed", pa.int32()),
        ("row", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Step:
    """A batch of rows and the detector's outcome on it.

    Attributes:
        batch: the readings that the detector took, with labels where the layout has them.
        refused: number of readings of each unknown series, which it did not take.
    """

    batch: Batch
    refused: Counter[str]
    outcome: Outcome

    @property
    def dead(self) -> Counter[str]:
        """Dead readings of each series, as far as they have one."""
        return self.refused + Counter(self.batch.numberless)

    def counts(self) -> Counter[Count]:
        """Readings by disposition and frames by verdict, as the service counts them."""
        counts = Counter({Count.IGNORED: self.batch.ignored, Count.DEAD: len(self.batch.dead) + self.refused.total()})
        counts.update(self.outcome.counts())
        if bad := total(self.batch.bad):
            counts[Count.BAD_VALUES] = bad
        counts[Count.RECEIVED] = sum(counts[Count[fate.name]] for fate in Disposition)
        return counts


def steps(
    detector: Detector, data: Path, layout: Layout, batch_rows: int = 8192, known: frozenset[str] | None = None
) -> Iterator[Step]:
    """Sends the rows through a detector: in the order of the files, or of time where the layout says so.

    Args:
        detector: a detector without state.
        batch_rows: rows in a batch, at most. Outcomes do not depend on it.
        known: readings of other series are dead, as with `unknown_series: refuse` online; None = all are taken.
    """
    clock = StreamClock()
    clock.follow(detector.coverage.limit)
    for batch in rows_in_order(data, layout, detector.definition.sensors, batch_rows):
        taken = batch if known is None else _of_series(batch, known)
        times = clock.advance(taken.readings.time) if detector.coverage.is_on else ()
        yield Step(taken, _refused(batch, known), detector.push(taken.readings, *times))


def _refused(batch: Batch, known: frozenset[str] | None) -> Counter[str]:
    """Readings of each series that is not known."""
    names = batch.columns.names
    if known is None or known.issuperset(names):
        return Counter()
    counts = np.bincount(batch.columns.series, minlength=len(names)).tolist()
    return Counter({name: count for name, count in zip(names, counts, strict=True) if name not in known})


def _of_series(batch: Batch, known: frozenset[str]) -> Batch:
    """The readings of known series."""
    columns = batch.columns
    kept = np.array([name in known for name in columns.names], np.bool_)[columns.series]
    labels = None if batch.labels is None else batch.labels[kept]
    bad = {value: seen for value, seen in batch.bad.items() if value.series in known}
    return replace(batch, columns=batch.readings.rows(kept), labels=labels, bad=bad)


def layout_for(data: Path, hints: Hints, definition: Definition) -> Layout:
    """Finds the layout of the data, and checks it against the bundle's sensors. Reads the times of all rows.

    Raises:
        BundleError: sensors of the bundle are absent, and no frame could be scored without them. In wide data one
            absent sensor is enough.
        DataError: training would refuse the data: no usable row, or many with the time of another one.
    """
    layout = discover(data, replace(hints, bundle=definition.sensors))
    check_meeting(str(data), layout.format, definition)
    missing = [name for name in definition.sensors if name not in layout.sensors]
    # Long data may lack a sensor with few readings: it is masked, as it would be online.
    if len(missing) > (definition.policy.max_missing if layout.format == "long" else 0):
        why = "".join(f"; {name} is {reason}" for name, reason in layout.left_out.items() if name in missing)
        raise BundleError(
            f"{data}: has sensors {list(layout.sensors)}, the bundle was trained on {list(definition.sensors)}; "
            f"missing {missing}: take data with these columns, or train on these data{why}"
        )
    order = look(data, layout, definition.sensors, definition.policy)
    named = of_only_series(layout, order.span, definition.scales)
    if named is not layout:
        layout, order = named, look(data, named, definition.sensors, definition.policy)
    return checked(data, layout, definition.sensors, definition.policy, order)


def check_meeting(where: str, layout: Literal["wide", "long"], definition: Definition) -> None:
    """Checks that records of one sensor each can become frames: only resampling brings them together.

    Args:
        where: the data or the bundle, for the message.

    Raises:
        BundleError: `layout` is long, and the bundle takes each record as a whole frame.
    """
    if layout == "long" and definition.policy.resample == "none":
        raise BundleError(
            f"{where}: records of one sensor each, but the bundle was trained on whole frames (`resample: none`); "
            "train on long data, or with `frames.resample: last`"
        )


@dataclass
class ReplayResult:
    """Counts of readings and frames, the number of alert events, and the account of each series.

    Attributes:
        sentinels: number of values of each sensor that mean none, (F,).
        restarts: series that start anew as their clock was set back, in words.
    """

    counts: Counter[Count] = field(default_factory=Counter)
    alerts: int = 0
    accounts: tuple[SeriesAccount, ...] = ()
    sentinels: tuple[int, ...] = ()
    restarts: list[str] = field(default_factory=list)


def replay(
    definition: Definition,
    data: Path,
    layout: Layout,
    publish: Callable[[Alert], None],
    scores: Path | None = None,
    accounts: Path | None = None,
    batch_rows: int = 8192,
    known: frozenset[str] | None = None,
    unwatched_after_ns: int | None = None,
) -> ReplayResult:
    """Sends the rows through the detector, in order as in `steps`.

    Args:
        publish: called with each alert event, in order.
        scores: a Parquet file for every verdict, with the columns of `SCORE_SCHEMA`; None = not written.
        accounts: a file for the account of each series, in JSON lines; None = not written.
        batch_rows, known: as in `steps`.
        unwatched_after_ns: the setting, see `unwatched_limit`; all series share one stream time.
    """
    result, counter = ReplayResult(), SeriesCounter()
    writer = _writer(scores, data) if scores is not None else None
    try:
        detector = Detector(definition, None, unwatched_limit(definition.policy, unwatched_after_ns))
        for step in steps(detector, data, layout, batch_rows, known):
            batch, outcome = step.batch, step.outcome
            result.counts.update(step.counts())
            counter.add(batch.columns, outcome, step.dead, batch.bad)
            for change in outcome.clock_restarts:
                row = int(batch.columns.position[change.row])
                result.restarts.append(f"row {row:,}: {ClockRestarted.of(change, row).message}")
            for record in _alerts(definition, data, outcome, batch.columns.position):
                result.alerts += 1
                publish(record)
            if writer is not None:
                writer.write_table(_table(outcome, batch.columns.position))
    finally:
        if writer is not None:
            writer.close()
    result.accounts = series_accounts(counter.counts(), definition)
    result.sentinels = tuple(counter.sentinels.tolist())
    if accounts is not None:
        accounts.parent.mkdir(parents=True, exist_ok=True)
        accounts.write_bytes(b"".join(encode(one) + b"\n" for one in result.accounts))
    return result


def _writer(scores: Path, data: Path) -> pq.ParquetWriter:
    if scores.resolve() == data.resolve():
        raise ConfigError(f"--scores {scores}: that is the file to be read; name another")
    scores.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(scores, SCORE_SCHEMA, compression="zstd")


def _alerts(definition: Definition, data: Path, outcome: Outcome, position: Int64s) -> Iterator[Alert]:
    for event in outcome.events:
        source = Source(str(data), 0, int(position[event.row]))
        yield alert(event, definition, source, datetime.now(UTC))


def _table(outcome: Outcome, position: Int64s) -> pa.Table:
    """Verdicts of a batch, with the columns of `SCORE_SCHEMA`."""
    v = outcome.verdicts
    slots = np.array(sorted(v.names), np.int32)
    names = pa.array([v.names[slot] for slot in slots.tolist()], pa.string())
    kinds = pa.array([verdict.name.lower() for verdict in Verdict])

    def numbers(values: Float64s) -> pa.Array:  # NaN becomes null
        return pa.array(values, from_pandas=True)

    return pa.Table.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(np.searchsorted(slots, v.series).astype(np.int32)), names),
            pa.array(v.time, pa.timestamp("ns", "UTC")),
            pa.DictionaryArray.from_arrays(pa.array(v.verdict.astype(np.int32)), kinds),
            numbers(v.score),
            numbers(v.level),
            numbers(v.error),
            numbers(v.disagreement),
            pa.array(v.imputed, pa.int32()),
            pa.array(position[v.row], pa.int64()),
        ],
        schema=SCORE_SCHEMA,
    )
