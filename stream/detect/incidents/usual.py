"""Thresholds that go on learning: the usual level of each series, by counts of its levels.

The usual level is a high quantile of the series' levels: only a stated share lies above it. It starts from levels of
training and follows the newer ones, which outweigh the older ones in time. Levels above the threshold teach nothing:
an incident must not raise its own threshold. The usual level rises by a bounded factor without a word, and falls to a
bounded part of that of training. A level that stays above the threshold for long is the new usual level: this is told,
and so is the return to the usual level of training.

Blocks of frames make the steps: within a block the threshold does not change. All arithmetic goes series by series and
bin by bin, so batch boundaries do not change a bit.
"""

import struct
import zlib

import numpy as np

from stream.detect.incidents.heights import BINS, heights, heights_below, usual_and_median, usual_heights
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.incidents.usual_events import Batch, Judged
from stream.detect.policy import Learning
from stream.detect.slots import Segments, grown
from stream.intake.columns import Bools, Float64s, Int32s, Int64s

# A level is the new usual one after this part of the frames that training counted.
PART = 0.25
# Without a word, a threshold rises by this factor more than the median level. An attacker who sends high levels in a
# tenth of the time hardly moves a median, but moves any high quantile.
RISE = 1.1
# With at least so many blocks, frames of a series are judged by themselves, block by block.
LONG = 2
# What is left after each block of the highest level since the threshold was exceeded.
FADING = 0.97


class UsualLevels:
    """The thresholds of all series of a partition. Without `learning` they stay as they were trained.

    The state of a slot takes some 170 bytes.
    """

    def __init__(self, table: ThresholdTable, learning: Learning | None) -> None:
        self._table = table
        self._learning = learning if table.usual is not None else None
        # Equal where equal thresholds learn in the same way: only they go on from what was learned.
        self.key = b"" if self._learning is None else _key(table, self._learning)
        self._trained = np.zeros(0)
        self._names: dict[int, str] = {}
        # Levels of each height, in units of `scale * unit`, each block for less than the one after it.
        self._counts = np.zeros((0, BINS), np.float32)
        # Threshold as a multiple of the trained one: now, and as it was told last, or less where it has fallen since.
        self._unit, self._factor, self._told = np.ones((3, 0))
        # The usual height, and the median height, at the start or when a new usual level was told last.
        self._usual, self._median = np.ones((2, 0))
        # Since the first of consecutive blocks with a level above the threshold: the highest level, frames, time (ns).
        self._highest, self._loud_since = np.zeros(0), np.zeros(0, np.int64)
        self._loud_for, self._patience, self._in_block = np.zeros((3, 0), np.int32)
        self._is_loud = np.zeros(0, np.bool_)
        # Where a higher usual level was told: since the first of consecutive blocks below the trained threshold.
        self._low_since, self._low_for, self._is_high = (
            np.zeros(0, np.int64),
            np.zeros(0, np.int32),
            np.zeros(0, np.bool_),
        )

    @property
    def capacity(self) -> int:
        """Slots that there is room for."""
        return len(self._trained)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self._trained = grown(self._trained, capacity, np.nan)
        if self._learning is None:
            return
        self._counts = grown(self._counts, capacity, 0)
        for name in ("_unit", "_factor", "_told", "_usual", "_median"):
            setattr(self, name, grown(getattr(self, name), capacity, 1))
        zeros = ("_highest", "_loud_since", "_loud_for", "_patience", "_in_block", "_is_loud")
        for name in (*zeros, "_low_since", "_low_for", "_is_high"):
            setattr(self, name, grown(getattr(self, name), capacity, 0))

    def set_series(self, slot: int, series: str) -> None:
        """Starts a slot as training left the series."""
        self._trained[slot] = self._table.of(series)
        self._names[slot] = series
        if self._learning is None:
            return
        self._counts[slot] = counts = self._table.usual_of(series)
        self._usual[slot] = usual_heights(counts[None], self._learning)[0]
        self._median[slot] = heights_below(counts[None], np.full(1, 0.5))[0]
        self._unit[slot] = 1.0 / self._usual[slot]
        self._factor[slot] = self._told[slot] = 1.0
        self._quieten(slot)
        self._in_block[slot], self._is_loud[slot], self._is_high[slot] = 0, False, False
        self._low_for[slot] = self._low_since[slot] = 0
        least, most = self._learning.moved_least, self._learning.moved_after
        self._patience[slot] = min(max(int(PART * counts.sum()), least), max(most, least))

    def snapshot(self, slot: int) -> bytes:
        """The learned state of a slot; empty where thresholds do not learn."""
        if self._learning is None:
            return b""
        numbers = (self._unit, self._factor, self._told, self._usual, self._median, self._highest)
        counts = (
            self._loud_since, self._low_since, self._loud_for, self._low_for, self._in_block, self._is_loud,
            self._is_high,
        )  # fmt: skip
        packed = _STATE.pack(*(float(of[slot]) for of in numbers), *(int(of[slot]) for of in counts))
        learned: bytes = self._counts[slot].astype("<f4").tobytes()
        return self.key + packed + learned

    def restore(self, slot: int, state: bytes) -> None:
        """Restores what `snapshot` gave, unless the thresholds of another bundle learned it."""
        if self._learning is None or not state.startswith(self.key):
            return
        size = len(self.key) + _STATE.size
        (
            self._unit[slot], self._factor[slot], self._told[slot], self._usual[slot], self._median[slot],
            self._highest[slot],
            self._loud_since[slot], self._low_since[slot], self._loud_for[slot], self._low_for[slot],
            self._in_block[slot], self._is_loud[slot], self._is_high[slot],
        ) = _STATE.unpack(state[len(self.key) : size])  # fmt: skip
        self._counts[slot] = np.frombuffer(state[size:], "<f4")

    def factor(self, slot: int) -> float:
        """The threshold of a slot as a multiple of the trained one."""
        return 1.0 if self._learning is None else float(self._factor[slot])

    def push(self, level: Float64s, time: Int64s, segments: Segments) -> Judged:
        """The thresholds of a batch; learns from its levels.

        Args:
            level: float64 (n,), sorted by series, then time; NaN where a frame has none.
            time: int64 (n,), ns.
            segments: the runs of each series.
        """
        series = segments.series[segments.of_row]
        judged = Judged(self._trained[series], np.zeros(len(level), np.int64), np.ones(len(level)))
        if self._learning is None or not len(level):
            return judged
        batch = Batch(level, ~np.isnan(level), time, series)
        many = segments.length >= LONG * self._learning.block
        for group in np.flatnonzero(many).tolist():
            self._walk(batch, int(segments.start[group]), int(segments.end[group]), judged, self._learning)
        few = np.flatnonzero(~many[segments.of_row])
        known = batch.known[few]
        before: Int64s = np.cumsum(known) - known  # levels before each frame, of all series
        start = Segments(series[few]).start_of_row
        block = (before - before[start] + self._in_block[series[few]]) // self._learning.block
        order = np.argsort(block, kind="stable")
        ends = np.searchsorted(block[order], np.arange(int(block.max(initial=0)) + 2))
        for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            self._judge_block(batch, few[order[first:end]], judged, self._learning)
        return judged

    def _walk(self, batch: Batch, at: int, end: int, judged: Judged, learning: Learning) -> None:
        """Judges many frames of one series, rows `at` to `end`: quiet blocks fast, any other one as those of all."""
        slot = int(batch.series[at])
        while at < end:
            missing = np.flatnonzero(~batch.known[at:end])
            until = at + int(missing[0]) if len(missing) else end
            at += self._quiet_blocks(slot, batch.level[at:until], judged.threshold[at:until], learning)
            if at < end:
                left = np.flatnonzero(batch.known[at:end])[: learning.block - int(self._in_block[slot])]
                is_full = len(left) == learning.block - self._in_block[slot]
                after = at + int(left[-1]) + 1 if is_full else end
                self._judge_block(batch, np.arange(at, after), judged, learning)
                at = after

    def _quiet_blocks(self, slot: int, level: Float64s, threshold: Float64s, learning: Learning) -> int:
        """Judges blocks of one series while none of their levels is above the threshold, as `_finish_block` does.

        Args:
            level: float64 (n,), finite. threshold: float64 (n,), the trained one; gets the one in force.

        Returns:
            Number of frames that are judged: whole blocks.
        """
        if self._told[slot] != 1.0 or self._loud_for[slot] or self._is_loud[slot] or self._low_for[slot]:
            return 0
        trained, unit, usual, median, factor = (
            float(of[slot]) for of in (self._trained, self._unit, self._usual, self._median, self._factor)
        )
        scale, counts, at = trained / self._table.q * unit, self._counts[slot], 0
        fading = _fading(learning)
        need = learning.block - int(self._in_block[slot])
        while at + need <= len(level):
            here = level[at : at + need]
            if here.max() > trained * factor:
                break
            threshold[at : at + need] *= factor
            np.add.at(counts, heights(here / scale), np.float32(1))
            height, middle = usual_and_median(counts.tolist(), learning)
            highest = RISE * usual * max(middle / median, 1.0)
            factor = min(max(min(height, highest) * unit, 1.0 / learning.bound), learning.bound)
            counts *= fading
            at, need = at + need, learning.block
        if at:
            self._factor[slot], self._in_block[slot], self._is_high[slot] = factor, 0, False
        return at

    def _judge_block(self, batch: Batch, rows: Int64s, judged: Judged, learning: Learning) -> None:
        """Judges the rows of one block of each series, and learns from them."""
        judged.threshold[rows] *= self._factor[batch.series[rows]]
        rows = rows[batch.known[rows]]
        if not len(rows):
            return
        level, time, series = batch.level[rows], batch.time[rows], batch.series[rows]
        self._learn(level, level > judged.threshold[rows], time, series)
        last = np.flatnonzero(np.append(series[1:] != series[:-1], True))
        full = last[self._in_block[series[last]] >= learning.block]
        if len(full):
            since = self._finish_block(series[full], time[full], learning)
            judged.since[rows[full]] = since
            judged.factor[rows[full]] = np.where(since != 0, self._factor[series[full]], 1.0)

    def _learn(self, level: Float64s, above: Bools, time: Int64s, slots: Int32s) -> None:
        """Counts levels of one block of each series, float64 (n,). Those above the threshold teach nothing."""
        np.add.at(self._in_block, slots, 1)
        self._is_high[slots[level > self._trained[slots]]] = True
        quiet = ~above
        scale = self._trained[slots[quiet]] / self._table.q * self._unit[slots[quiet]]
        np.add.at(self._counts, (slots[quiet], heights(level[quiet] / scale)), np.float32(1))
        if above.any():
            loud, since = slots[above], time[above]
            self._is_loud[loud] = True
            np.maximum.at(self._highest, loud, level[above])
            first = np.flatnonzero(self._loud_since[loud] == 0)[::-1]  # of equal slots the last assignment stays
            self._loud_since[loud[first]] = since[first]

    def _finish_block(self, slots: Int32s, time: Int64s, learning: Learning) -> Int64s:
        """Computes the thresholds of series whose block is full with frames at these times, int64 (G,), ns.

        Returns:
            int64 (G,), ns: where a series has another usual level, or the trained one again, since when; else 0.
        """
        self._loud_for[slots] += learning.block
        self._quieten(slots[~self._is_loud[slots]])
        moved = self._loud_for[slots] >= self._patience[slots]
        since = np.where(moved, self._loud_since[slots], 0)
        height = usual_heights(self._counts[slots], learning)
        median = heights_below(self._counts[slots], np.full(len(slots), 0.5))
        new = slots[moved]
        self._usual[new], self._median[new] = height[moved], median[moved]
        self._unit[new] = self._highest[new] * self._table.q / (self._trained[new] * height[moved])
        # The new usual level is known from these frames only.
        total = np.cumsum(self._counts[new], axis=1)[:, -1]
        self._counts[new] *= np.minimum(1.0, self._patience[new] / total)[:, None]
        highest = RISE * self._usual[slots] * np.maximum(median / self._median[slots], 1.0)
        factor = np.minimum(height, highest) * self._unit[slots]
        self._told[slots] = np.where(moved, factor, np.maximum(np.minimum(self._told[slots], factor), 1.0))
        self._factor[slots] = np.clip(factor, 1.0 / learning.bound, self._told[slots] * learning.bound)
        self._quieten(new)
        self._highest[slots] *= FADING
        self._counts[slots] *= _fading(learning)
        since = np.where(moved, since, self._returned(slots, time, learning))
        self._in_block[slots], self._is_loud[slots], self._is_high[slots] = 0, False, False
        return since

    def _returned(self, slots: Int32s, time: Int64s, learning: Learning) -> Int64s:
        """Starts the series as training left them that have come back below their trained threshold for long.

        Returns:
            int64 (G,), ns: where a series has come back, since when; else 0.
        """
        low = (self._told[slots] > 1.0) & ~self._is_high[slots]
        self._low_since[slots] = np.where(low, np.where(self._low_for[slots] > 0, self._low_since[slots], time), 0)
        self._low_for[slots] = np.where(low, self._low_for[slots] + learning.block, 0)
        back = self._low_for[slots] >= self._patience[slots]
        since = np.where(back, self._low_since[slots], 0)
        for slot in slots[back].tolist():
            self.set_series(slot, self._names[slot])
        return since

    def _quieten(self, slots: int | Int32s) -> None:
        """Notes that no level of these slots is above the threshold any more."""
        self._highest[slots], self._loud_for[slots], self._loud_since[slots] = 0.0, 0, 0


# Unit, factor, told, usual, median, highest; loud since, low since, loud for, low for, in block, is loud, is high.
_STATE = struct.Struct("<6d2q3i2?")


def _fading(learning: Learning) -> np.float32:
    """The factor on all counts after a block: older levels count less."""
    return np.float32(np.exp(-learning.block / learning.horizon))


def _key(table: ThresholdTable, learning: Learning) -> bytes:
    """Four bytes that other thresholds do not share."""
    assert table.usual is not None
    facts = f"{table.names}{table.q}{learning}".encode()
    return zlib.crc32(table.usual.tobytes(), zlib.crc32(table.scale.tobytes(), zlib.crc32(facts))).to_bytes(4, "little")
