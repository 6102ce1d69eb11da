"""A history, read once in batches, with its source."""

import hashlib
import time
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.policy import FramePolicy
from stream.errors import DataError
from stream.events.record import rfc3339
from stream.intake.bad_values import added
from stream.intake.columns import LongReadings, Readings
from stream.intake.tables.files import files
from stream.intake.tables.reader import Batch, Layout, discover
from stream.offline.bad_value_lines import lines_of_values
from stream.offline.naming import with_note_on_names
from stream.offline.order import order_of, put_in_order
from stream.offline.rows import refuse_empty, rows_in_order, with_order
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import DataFacts
from training.data.feedback import feedback_facts
from training.data.framing import FramedHistory
from training.data.memory import foresee, foresee_text
from training.options import TrainOptions
from training.vetting.finding import Finding

# Values of a batch: 32 MB of float64, also for a long batch while it is dense.
CELLS = 1 << 22


@dataclass(frozen=True)
class History:
    """Readings in batches, in the order of files or of time, with their layout and the seconds that reading took."""

    layout: Layout
    batches: list[Batch]
    sensors: tuple[str, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Number of readings."""
        return sum(map(len, self.batches))


def describe_columns(layout: Layout) -> str:
    """Describes the role of each column and its reason. A wrong guess shows before an hour of training."""
    series = layout.series or layout.series_name or "one per file"
    roles = {"time": layout.time, "series": series, "label": layout.label or "none"}
    if layout.sensor is not None:
        roles |= {"sensor": layout.sensor, "value": layout.value or ""}
    why = {**layout.why, "time": f"{layout.why['time']}; {layout.times.told}"}
    texts = [f"{role} {name} ({why[role]})" if role in why else f"{role} {name}" for role, name in roles.items()]
    return "; ".join([*texts, *(f"{what} ({why})" for what, why in layout.why.items() if what.startswith("left out"))])


def read_history(options: TrainOptions, layout: Layout | None = None) -> History:
    """Reads a history.

    Args:
        layout: of the history, checked by `stream.replay.layout_for`; None: it is found, and nothing is put in order.

    Raises:
        DataError: the history cannot be read, or has no usable row.
    """
    started = time.perf_counter()
    if layout is None:
        foresee_text(options.data)
        layout = discover(options.data, options.hints)
        if layout.times.counter is not None:
            layout = replace(layout, doubts=(*layout.doubts, layout.times.counter))
    foresee(options.data, layout)
    batches = list(rows_in_order(options.data, layout, layout.sensors, batch_rows(len(layout.sensors))))
    refuse_empty(options.data, sum(map(len, batches)), sum(len(batch.dead) for batch in batches))
    bad = lines_of_values(added(batch.bad for batch in batches), layout.bad_is_dead)
    layout = replace(layout, doubts=(*layout.doubts, *bad))
    return History(layout, batches, layout.sensors, time.perf_counter() - started)


def batch_rows(sensors: int) -> int:
    """Readings of a batch, at most."""
    return min(max(CELLS // max(sensors, 1), 1024), 65_536)


def ordered(history: History, policy: FramePolicy) -> History:
    """Puts a history in order of time where it is not, and says so in its layout. Use only what it returns."""
    order = order_of(history.batches, files(history.layout.path), policy)
    layout = with_order(with_note_on_names(history.layout, order.span), order)
    if not order.wanting:
        return replace(history, layout=layout)
    return replace(history, layout=layout, batches=put_in_order(history.batches, batch_rows(len(layout.sensors))))


def drop_sensors(history: History, dropped: set[str]) -> History:
    """Removes sensors from a history.

    Raises:
        DataError: no sensor is left.
    """
    remaining = [i for i, sensor in enumerate(history.sensors) if sensor not in dropped]
    if not remaining:
        raise DataError(f"vetting leaves no sensor of {list(history.sensors)}; set `train.drop_sensors: false`")
    sensors = tuple(history.sensors[i] for i in remaining)
    batches = [_narrowed(b, remaining, set(sensors)) for b in history.batches]
    return History(history.layout, batches, sensors, history.seconds)


def _narrowed(batch: Batch, remaining: list[int], names: set[str]) -> Batch:
    columns = batch.columns
    if isinstance(columns, LongReadings):
        # Sensors that were left out before have index -1, which is the last place.
        place = np.full(columns.sensors + 1, -1, np.int32)
        place[remaining] = np.arange(len(remaining))
        narrow: Readings | LongReadings = replace(columns, sensor=place[columns.sensor], sensors=len(remaining))
    else:
        narrow = replace(columns, values=np.ascontiguousarray(columns.values[:, remaining]))
    return replace(batch, columns=narrow, bad={bad: seen for bad, seen in batch.bad.items() if bad.sensor in names})


def data_facts(
    history: History, framed: FramedHistory, parts: dict[str, int], findings: tuple[Finding, ...], options: TrainOptions
) -> DataFacts:
    """Facts about the history that a model is trained on, for the manifest.

    Args:
        parts: frames by part, and those in no part by reason.
    """
    return DataFacts(
        path=str(history.layout.path),
        columns={**history.layout.why, "times": history.layout.times.told},
        readings=history.rows,
        series=len(framed.names),
        start=rfc3339(int(framed.time.min())),
        end=rfc3339(int(framed.time.max())),
        fingerprint=fingerprint(history),
        doubts=history.layout.doubts,
        dispositions=dict(framed.dispositions),
        labelled=int(framed.labelled.sum()),
        frames=parts,
        vetting=tuple(finding.text for finding in findings),
        vetted_out=options.train.drop_sensors,
        feedback=None if options.feedback is None else feedback_facts(framed, options.feedback),
    )


def learned_until(manifest: Manifest) -> int:
    """Time of the newest reading that weights or thresholds depend on, ns. Not known: the smallest integer."""
    newer = manifest.recalibrated.data
    ends = [manifest.data.end, None if newer is None else newer.end]
    times = [np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64) for text in ends if text is not None]
    return max(map(int, times), default=int(np.iinfo(np.int64).min))


def fingerprint(history: History) -> str:
    """Computes a SHA-256 over all readings. It is the same for the same readings in the same batches."""
    digest = hashlib.sha256()
    for batch in history.batches:
        columns = batch.columns
        digest.update("\x00".join(columns.names).encode())
        values = (columns.sensor, columns.value) if isinstance(columns, LongReadings) else (columns.values,)
        for column in (columns.series, columns.time, *values):
            digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
