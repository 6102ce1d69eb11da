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

import numpy as np

from stream.detect.incidents.heights import BINS, QUARTER, fading, heights, heights_below, scaled, step, usual_heights
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.incidents.usual_events import Batch, Judged
from stream.detect.policy import Learning
from stream.detect.slots import Segments, grown
from stream.intake.columns import Bools, Float64s, Int32s, Int64s

# A level is the new usual one after this part of the frames that training counted.
PART = 0.25
# Without a word, a threshold rises by this factor more than the lower quartile of the levels: an attacker with a tenth
# of the time hardly moves that, but moves any high quantile.
RISE = 1.1
# With at least so many blocks, frames of a series are judged by themselves, unless more series have so many than this:
# then a block of all at a time is faster.
LONG, ALONE = 2, 8
# A block is loud, or high, where more than this part of its levels is above the threshold in force, or the trained one.
# An attacker with less of the time moves nothing.
LOUD = 0.15
# A block that is not loud takes this part of a block from a run of loud ones: a machine that is loud every day, or for
# more than a fifth of the time, has a new usual level too.
REST = 4
# The factor on the level that was reached, after each loud block; the furthest that is, in trained thresholds.
FADING, FURTHEST = 0.97, 1e6
# State of a slot, in the order of a snapshot.
FIELDS = (
    "_unit", "_factor", "_told", "_usual", "_quartile", "_reached", "_before", "_peak",
    "_since", "_block_since", "_run", "_in_block", "_above", "_high",
)  # fmt: skip
_STATE = struct.Struct("<5d3f2qi3H")


class UsualLevels:
    """The thresholds of all series of a partition. Without `learning` they stay as they were trained.

    A snapshot of a slot takes some 200 bytes.

    Attributes:
        trained: float64 (slots,), the trained threshold of each slot.
    """

    def __init__(self, table: ThresholdTable, learning: Learning | None) -> None:
        self._table = table
        self._learning = learning if table.usual is not None else None
        # Equal where equal thresholds learn in the same way: only they go on from what was learned.
        self.key = b"" if self._learning is None else table.key(f"{self._learning}{FIELDS}{_STATE.format}{BINS}")
        self.trained = np.zeros(0)
        self._names: dict[int, str] = {}
        # Levels of each height, in units of `scale * unit`, each block for less than the one after it.
        self._counts = np.zeros((0, BINS), np.float32)
        # Threshold as a multiple of the trained one: now, and as it was told last, or less where it has fallen since.
        self._unit, self._factor, self._told = np.ones((3, 0))
        # The usual height, and the lower quartile, at the start or when a new usual level was told last.
        self._usual, self._quartile = np.ones((2, 0))
        # Levels that two loud blocks in a row have reached; the highest level of the block before, if that is loud, and
        # of this.
        self._reached, self._before, self._peak = np.zeros((3, 0), np.float32)
        # First frame of the run, and of this block (ns). Run: frames of loud blocks; negative: of consecutive blocks
        # that are not high, where a higher usual level was told.
        self._since, self._block_since, self._run = np.zeros((3, 0), np.int64)
        # Levels in this block: all, those above the threshold, those above the trained one.
        self._in_block, self._above, self._high = np.zeros((3, 0), np.int32)
        self._patience = np.zeros(0, np.int64)

    def resize(self, capacity: int) -> None:
        """Makes room for `capacity` slots."""
        self.trained = grown(self.trained, capacity, np.nan)
        if self._learning is None:
            return
        self._counts = grown(self._counts, capacity, 0)
        for name in (*FIELDS, "_patience"):
            setattr(self, name, grown(getattr(self, name), capacity, 0))

    def set_series(self, slot: int, series: str) -> None:
        """Starts a slot as training left the series."""
        self.trained[slot] = self._table.of(series)
        self._names[slot] = series
        if self._learning is None:
            return
        for name in FIELDS:
            getattr(self, name)[slot] = 0
        self._counts[slot] = counts = scaled(self._table.usual_of(series), np.float32(1), step(self._learning))
        self._usual[slot] = usual_heights(counts[None], self._learning)[0]
        self._quartile[slot] = heights_below(counts[None], np.full(1, QUARTER))[0]
        self._unit[slot] = 1.0 / self._usual[slot]
        self._factor[slot] = self._told[slot] = 1.0
        least, most = self._learning.moved_least, self._learning.moved_after
        self._patience[slot] = min(max(int(PART * counts.sum()), least), max(most, least))

    def snapshot(self, slot: int) -> bytes:
        """The learned state of a slot; empty where thresholds do not learn."""
        if self._learning is None:
            return b""
        learned: bytes = self._counts[slot].astype("<f4").tobytes()
        return self.key + _STATE.pack(*(getattr(self, name)[slot].item() for name in FIELDS)) + learned

    def restore(self, slot: int, state: bytes) -> None:
        """Restores what `snapshot` gave, unless the thresholds of another bundle learned it."""
        if self._learning is None or not state.startswith(self.key):
            return
        size = len(self.key) + _STATE.size
        for name, value in zip(FIELDS, _STATE.unpack(state[len(self.key) : size]), strict=True):
            getattr(self, name)[slot] = value
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
        none = np.zeros(len(level), np.int64)
        judged = Judged(self.trained[series], none, np.ones(len(level)), np.zeros(len(level), np.bool_))
        if self._learning is None or not len(level):
            return judged
        batch, known = Batch(level, time, series, judged), ~np.isnan(level)
        before: Int64s = np.cumsum(known) - known  # levels before each frame, of all series
        in_block = self._in_block[segments.series] - before[segments.start]
        block = (before + in_block[segments.of_row]) // self._learning.block
        many = segments.length >= LONG * self._learning.block
        many &= many.sum() <= ALONE
        for group in np.flatnonzero(many).tolist():
            self._walk(batch.rows(slice(segments.start[group], segments.end[group])), self._learning)
        few = np.flatnonzero(~many[segments.of_row])
        last = int(block[few].max(initial=0))
        rows = slice(None) if last == 0 and not many.any() else few[np.argsort(block[few], kind="stable")]
        ends = np.searchsorted(block[rows], np.arange(last + 2))
        part = batch.rows(rows)
        for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            self._judge_block(part.rows(slice(first, end)), self._learning)
        if isinstance(rows, np.ndarray):
            judged.put(rows, part.judged)
        return judged

    def _walk(self, batch: Batch, learning: Learning) -> None:
        """Judges many frames of one series: quiet blocks fast, any other one as those of all."""
        slot, at, ahead, count = int(batch.series[0]), 0, LONG, len(batch.level)
        known = ~np.isnan(batch.level)
        levels, ends = np.cumsum(known), np.append(np.flatnonzero(~known), count)
        while at < count:
            end = int(ends[np.searchsorted(ends, at)])
            until = min(end, at + ahead * learning.block)
            quiet = self._quiet_blocks(slot, batch.level[at:until], batch.judged.threshold[at:until], learning)
            at, ahead = at + quiet, LONG + 2 * quiet // learning.block  # further as long as they are quiet
            if quiet and until < end:
                continue
            wanted = (levels[at - 1] if at else 0) + learning.block - self._in_block[slot]
            after = min(int(np.searchsorted(levels, wanted)) + 1, count)
            self._judge_block(batch.rows(slice(at, after)), learning)
            at = after

    def _quiet_blocks(self, slot: int, level: Float64s, threshold: Float64s, learning: Learning) -> int:
        """Judges blocks of one series while none of their levels is above the threshold, as `_finish_block` does.

        Args:
            level: float64 (n,), finite. threshold: float64 (n,), the trained one; gets the one in force.

        Returns:
            Number of frames that are judged: whole blocks.
        """
        first = learning.block - int(self._in_block[slot])
        blocks = (len(level) - first) // learning.block + 1
        if blocks < 1 or self._told[slot] != 1.0 or self._run[slot] or self._above[slot]:
            return 0
        trained, unit = float(self.trained[slot]), float(self._unit[slot])
        starts = np.append(0, first + learning.block * np.arange(blocks))
        level = level[: starts[-1]]
        bins = heights(level / (trained / self._table.q * unit))
        bins += BINS * np.repeat(np.arange(blocks), np.diff(starts))
        new = np.bincount(bins, minlength=blocks * BINS).reshape(blocks, BINS).astype(np.float32)
        steps, fades = step(learning), fading(learning)
        new /= steps
        faded = self._counts[slot] / steps
        for counts in new:  # becomes the counts at the end of each block
            counts += faded
            faded = np.floor(counts * fades)
        new *= steps
        height, quartile = usual_heights(new, learning), heights_below(new, np.full(blocks, QUARTER))
        highest = RISE * self._usual[slot] * np.maximum(quartile / self._quartile[slot], 1.0)
        factor = np.clip(np.minimum(height, highest) * unit, 1.0 / learning.bound, learning.bound)
        in_force = np.append(self._factor[slot], factor[:-1])
        loud = np.flatnonzero(np.maximum.reduceat(level, starts[:-1]) > trained * in_force)
        quiet = int(loud[0]) if len(loud) else blocks
        threshold[: starts[quiet]] *= np.repeat(in_force[:quiet], np.diff(starts[: quiet + 1]))
        if quiet:
            self._factor[slot], self._counts[slot] = factor[quiet - 1], scaled(new[quiet - 1], fades, steps)
            self._in_block[slot] = self._high[slot] = self._block_since[slot] = 0
        return int(starts[quiet])

    def _judge_block(self, batch: Batch, learning: Learning) -> None:
        """Judges one block of each series, and learns from it."""
        level, time, series, judged = batch.level, batch.time, batch.series, batch.judged
        judged.threshold[:] *= self._factor[series]
        at = np.flatnonzero(~np.isnan(level))
        if not len(at):
            return
        threshold = judged.threshold
        if len(at) < len(level):
            level, time, series, threshold = level[at], time[at], series[at], threshold[at]
        segments = Segments(series)
        self._learn(level, level > threshold, time, segments)
        is_full = self._in_block[segments.series] >= learning.block
        full, slots = at[segments.end[is_full] - 1], segments.series[is_full]
        if len(full):
            since, judged.returned[full] = self._finish_block(slots, learning)
            judged.since[full] = since
            judged.factor[full] = np.where(since != 0, self._factor[slots], 1.0)

    def _learn(self, level: Float64s, above: Bools, time: Int64s, segments: Segments) -> None:
        """Counts levels of one block of each series, float64 (n,). Those above the threshold teach nothing."""
        slots, start = segments.series, segments.start
        first = self._in_block[slots] == 0
        self._block_since[slots[first]] = time[start[first]]
        self._in_block[slots] += segments.length.astype(np.int32)
        series = slots[segments.of_row]
        trained = self.trained[series]
        if (above | (level > trained)).any():
            self._above[slots] += np.add.reduceat(above, start, dtype=np.int32)
            self._high[slots] += np.add.reduceat(level > trained, start, dtype=np.int32)
            known = np.minimum(np.where(above, level, 0.0), FURTHEST * trained)
            peak = np.maximum.reduceat(known, start).astype(np.float32)
            self._peak[slots] = np.maximum(self._peak[slots], peak)
            level, series, trained = level[~above], series[~above], trained[~above]
        height = heights(level / (trained / self._table.q * self._unit[series]))
        # Flat: numpy adds at one index faster than at two.
        np.add.at(self._counts.reshape(-1), series * np.int64(BINS) + height, np.float32(1))

    def _finish_block(self, slots: Int32s, learning: Learning) -> tuple[Int64s, Bools]:
        """Computes the thresholds of G series whose block is full.

        Returns:
            int64 (G,), ns: where a series has another usual level, or the trained one again, since when; else 0. Mask
            of those that have the trained one again.
        """
        self._count_run(slots, learning)
        moved = (self._run[slots] >= self._patience[slots]) & (self._reached[slots] > 0)
        height = usual_heights(self._counts[slots], learning)
        quartile = heights_below(self._counts[slots], np.full(len(slots), QUARTER))
        new = slots[moved]
        self._usual[new], self._quartile[new] = height[moved], quartile[moved]
        self._unit[new] = self._reached[new].astype(np.float64) * self._table.q / (self.trained[new] * height[moved])
        # The new usual level is known from these frames only.
        total = np.cumsum(self._counts[new], axis=1)[:, -1]
        part = np.minimum(1.0, self._patience[new] / total).astype(np.float32)
        self._counts[new] = scaled(self._counts[new], part[:, None], step(learning))
        highest = RISE * self._usual[slots] * np.maximum(quartile / self._quartile[slots], 1.0)
        factor, before = np.minimum(height, highest) * self._unit[slots], self._told[slots]
        self._told[slots] = np.where(moved, factor, np.maximum(np.minimum(before, factor), 1.0))
        self._factor[slots] = np.clip(factor, 1.0 / learning.bound, self._told[slots] * learning.bound)
        # A block that taught nothing does not age what is known.
        fades = np.where(self._above[slots] < learning.block, fading(learning), np.float32(1))
        self._counts[slots] = scaled(self._counts[slots], fades[:, None], step(learning))
        back = -self._run[slots] >= max(learning.moved_after, learning.moved_least)
        fallen = ~moved & (before > 1.0) & (self._told[slots] == 1.0)
        since = np.where(moved | back, self._since[slots], np.where(fallen, self._block_since[slots], 0))
        self._run[new] = self._since[new] = self._reached[new] = self._before[new] = 0
        self._in_block[slots] = self._above[slots] = self._high[slots] = self._peak[slots] = 0
        self._block_since[slots] = 0
        for slot in slots[back].tolist():
            self.set_series(slot, self._names[slot])
        return since, back | fallen

    def _count_run(self, slots: Int32s, learning: Learning) -> None:
        """Counts the frames of a run, loud or low, and the level that a loud run has reached."""
        run, since, peak = self._run[slots], self._since[slots], self._peak[slots]
        loud = self._above[slots] > LOUD * learning.block
        low = ~loud & (self._told[slots] > 1.0) & (self._high[slots] <= LOUD * learning.block)
        longer = np.maximum(run, 0) + learning.block
        shorter = np.maximum(run - learning.block // REST, 0)  # of a loud run
        lower = np.where(low, np.minimum(run, 0) - learning.block, 0)
        self._run[slots] = new = np.where(loud, longer, np.where(run > 0, shorter, lower))
        begins = np.where(loud, run <= 0, run == 0)
        self._since[slots] = np.where(new == 0, 0, np.where(begins, self._block_since[slots], since))
        both = np.maximum(self._reached[slots] * np.float32(FADING), np.minimum(self._before[slots], peak))
        goes_on = (run > 0) & (new > 0)
        self._reached[slots] = np.where(goes_on, np.where(loud, both, self._reached[slots]), np.float32(0))
        self._before[slots] = np.where(loud, peak, np.float32(0))
