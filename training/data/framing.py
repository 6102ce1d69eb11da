"""A history as frames, made by the code that frames readings online."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from stream.detect.frames.frames import Fitness, Frames
from stream.detect.frames.framing import Framing
from stream.detect.frames.time_check import ends
from stream.detect.policy import FramePolicy
from stream.detect.slots import Segments, Slots, last_true
from stream.intake.columns import Bools, Disposition, Float64s, Int32s, Int64s, UInt8s
from stream.intake.tables.reader import Batch
from stream.offline.order import in_order
from training.data.split import Part


@dataclass(frozen=True)
class FramedHistory:
    """T frames of all series, sorted by series, then time.

    Attributes:
        names: name of each series.
        series: int32 (T,), index into `names`.
        time: int64 (T,), ns.
        values: float64 (T, F), NaN where masked.
        fitness: uint8 (T,), `Fitness`.
        after_gap: bool (T,), the first frame of a series or the first after a gap.
        marked: bool (T,), the frame holds a labelled reading.
        labelled: bool (T,), `marked`, or a value is carried from a marked frame.
        confirmed: bool (T,), the frame is in an alert that people confirmed, or carries a value from such a frame.
        imputed: bool (T,), a sensor is carried or masked.
        step: int64 (T,), ns since the frame before. The policy's interval after a gap.
        dispositions: readings by disposition.
    """

    names: tuple[str, ...]
    series: Int32s
    time: Int64s
    values: Float64s
    fitness: UInt8s
    after_gap: Bools
    marked: Bools
    labelled: Bools
    confirmed: Bools
    imputed: Bools
    step: Int64s
    dispositions: dict[str, int]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def normal(self) -> Bools:
        """Mask of frames that are whole and not anomalous, bool (T,)."""
        normal: Bools = (self.fitness == Fitness.WHOLE) & ~self.anomalous
        return normal

    @property
    def anomalous(self) -> Bools:
        """Mask of frames labelled or confirmed as anomalous, bool (T,)."""
        return self.labelled | self.confirmed

    def count_frames(self, part: UInt8s) -> dict[str, int]:
        """Counts the frames of each part, and those in no part by the first reason that holds. The sum is T."""
        counts = {p.name.lower(): int((part == p).sum()) for p in Part if p is not Part.NONE}
        left = part == Part.NONE
        reasons = {
            "labelled": self.labelled,
            "confirmed": self.confirmed,
            "off": self.fitness == Fitness.OFF,
            "degraded": self.fitness == Fitness.DEGRADED,
            "purged": left,
        }
        return counts | first_reasons(reasons, left)[0]

    def fitted(self, parts: UInt8s) -> Bools:
        """Mask of the normal frames that weights are fitted on, with those that end the fit, bool (T,)."""
        fitted: Bools = ((parts == Part.FIT) | (parts == Part.STOP)) & self.normal
        return fitted

    def within(self, parts: UInt8s, part: Part, support: int) -> Bools:
        """Mask of frames of a part whose last `support` frames are normal, and in this part or in none, bool (T,).

        Args:
            parts: uint8 (T,), `Part` of each frame.
        """
        allowed = self.normal & ((parts == part) | (parts == Part.NONE))
        inside: Bools = (self.run_within(allowed) >= support) & (parts == part)
        return inside

    def run_within(self, allowed: Bools) -> Int64s:
        """int64 (T,): length of the run of allowed frames that ends at each frame; 0 where not allowed.

        A gap or a frame left out ends a run.
        """
        segments = Segments(self.series)
        first = self.after_gap.copy()
        first[segments.start] = True
        rows = np.arange(len(self), dtype=np.int64)
        left_out = last_true(~allowed, segments)
        begin = last_true(first, segments)
        since = np.where(left_out < 0, begin - 1, left_out)
        run: Int64s = np.where(allowed, rows - np.maximum(begin - 1, since), 0)
        return run


def first_reasons(reasons: Mapping[str, Bools], left: Bools) -> tuple[dict[str, int], Bools]:
    """Counts the frames `left`, bool (T,), by the first reason that holds; returns also those without a reason."""
    counts = {}
    for reason, holds in reasons.items():
        counts[reason] = int((left & holds).sum())
        left = left & ~holds
    return counts, left


def frame(batches: Iterable[Batch], policy: FramePolicy, sensors: tuple[str, ...]) -> FramedHistory:
    """Frames a history that was read in `batches`."""
    framing, history = Framing(policy, sensors), HistoryFrames(policy)
    for batch in batches:
        framing.admit(batch.columns.names)
        checked = framing.checked(batch.readings)
        raw, disposition = framing.raw(checked)
        fates = ends(checked.of_batch(disposition), len(checked.confirmed))
        history.add(batch, fates, framing.frames(raw), framing.slots)
    return history.joined()


class HistoryFrames:
    """Collects the frames of a history batch by batch, with the labels of its readings."""

    def __init__(self, policy: FramePolicy) -> None:
        self._policy = policy
        self._slots = Slots()
        self._pieces: list[Frames] = []
        self._marks: list[Int64s] = []
        self._fates = np.zeros(len(Disposition), np.int64)

    def add(self, batch: Batch, fates: Int64s, frames: Frames, slots: Slots) -> None:
        """Adds the frames of one batch.

        Args:
            fates: readings by disposition, see `ends`.
            frames: what the batch completed; their series are numbered by `slots`.
            slots: of the framing or the detector, the same object for every batch.
        """
        self._fates += fates
        self._fates[Disposition.IGNORED] += batch.ignored
        self._fates[Disposition.DEAD] += len(batch.dead)
        self._pieces.append(frames)
        self._marks.append(_marks(batch, slots, self._policy))
        self._slots = slots

    def joined(self) -> FramedHistory:
        """Joins all frames, sorted by series, then time. Call it once: it frees the pieces."""
        policy, pieces = self._policy, self._pieces
        series = np.concatenate([piece.series for piece in pieces])
        order = np.argsort(series, kind="stable")
        series, time = series[order], np.concatenate([piece.time for piece in pieces])[order]
        imputed = np.concatenate([piece.imputed for piece in pieces])[order] > 0
        fitness = np.concatenate([piece.fitness for piece in pieces])[order]
        after_gap = np.concatenate([piece.after_gap for piece in pieces])[order]
        marked = _within_marks(series, time, np.concatenate(self._marks, axis=1))
        values = [piece.values for piece in pieces]
        pieces.clear()
        return FramedHistory(
            names=tuple(self._slots.name(slot) for slot in range(self._slots.capacity)),
            series=series,
            time=time,
            fitness=fitness,
            after_gap=after_gap,
            marked=marked,
            labelled=marked | carried_from(marked, imputed, Segments(series), policy.max_carry),
            confirmed=np.zeros(len(series), np.bool_),
            imputed=imputed,
            step=np.where(after_gap, policy.interval_ns, np.diff(time, prepend=time[:1])),
            dispositions={fate.name.lower(): int(self._fates[fate]) for fate in Disposition},
            values=in_order(values, order),
        )


def _marks(batch: Batch, slots: Slots, policy: FramePolicy) -> Int64s:
    """int64 (2, n): series and frame time of the labelled readings. With `resample`, the time of their tick."""
    columns = batch.columns
    if batch.labels is None or not batch.labels.any():
        return np.zeros((2, 0), np.int64)
    series = slots.lookup(columns.names)[columns.series[batch.labels]]
    time = columns.time[batch.labels]
    if policy.resample != "none":
        time = time // policy.interval_ns * policy.interval_ns
    return np.stack([series.astype(np.int64), time])


def _within_marks(series: Int32s, time: Int64s, marks: Int64s) -> Bools:
    """Mask of frames with the series and time of a mark, bool (T,)."""
    times = np.unique(marks[1])
    if not len(times):
        return np.zeros(len(time), np.bool_)
    place = np.minimum(np.searchsorted(times, time), len(times) - 1)
    # Series and place make one key. The time itself would overflow.
    keys = marks[0] * len(times) + np.searchsorted(times, marks[1])
    marked: Bools = (times[place] == time) & np.isin(series.astype(np.int64) * len(times) + place, keys)
    return marked


def carried_from(some: Bools, imputed: Bools, segments: Segments, max_carry: int) -> Bools:
    """Mask of imputed frames that may carry a value from one of the frames `some`, both bool (T,)."""
    last = last_true(some, segments)
    carried: Bools = imputed & (last >= 0) & (np.arange(len(some)) - last <= max_carry)
    return carried
