"""Thresholds that go on learning: the usual level of each series, by counts of its levels.

The usual level is a high quantile of the series' levels: only a stated share lies above it. It starts from levels of
training and follows the newer ones, which outweigh the older ones in time. Levels above the threshold teach nothing:
an incident must not raise its own threshold. The usual level rises by a bounded factor without a word, and falls to a
bounded part of that of training. A level that stays above the threshold for long is the new usual level: this is told.

Blocks of frames make the steps: within a block the threshold does not change. All arithmetic goes series by series and
bin by bin, so batch boundaries do not change a bit.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stream.detect.incidents.incidents import ScoredFrames, Shares
from stream.detect.incidents.threshold import ThresholdTable
from stream.detect.policy import Learning
from stream.detect.slots import Segments, grown
from stream.intake.columns import Bools, Float32s, Float64s, Int32s, Int64s

# Edges of the bins of heights, a quarter apart, from a fifth of the unit to some 90 times it.
EDGES = 1.25 ** np.arange(-7, 21)
BINS = len(EDGES) + 1
_LOWEST, _WIDTH = np.append(EDGES[0] / 1.25, EDGES), np.append(EDGES[0] - EDGES[0] / 1.25, 0.25 * EDGES)
# Largest share above the usual level, however few levels there are.
MOST_ABOVE = 0.05
# A level is the new usual after a quarter of the frames that training counted, but at least this many blocks.
PART, FEWEST_BLOCKS = 0.25, 5
# What is left after each block of the highest level since the threshold was exceeded.
FADING = 0.97


def heights(ratio: Float64s) -> Int64s:
    """The bin of each ratio level / unit, int64 of the same shape."""
    return np.searchsorted(EDGES, ratio).astype(np.int64)


def usual_heights(counts: Float32s, learning: Learning) -> Float64s:
    """The height that only the stated share of the counted levels exceeds, in units: float64 (n,).

    Of few levels a larger share lies above: as much as one block of them.

    Args:
        counts: float32 (n, BINS).
    """
    below = np.cumsum(counts, axis=1, dtype=np.float64)
    total = below[:, -1]
    share = np.minimum(np.maximum(learning.share, learning.block / np.maximum(total, 1.0)), MOST_ABOVE)
    wanted = (1.0 - share) * total
    bins = np.minimum((below < wanted[:, None]).sum(axis=1), BINS - 1)
    rows = np.arange(len(counts))
    inside = counts[rows, bins].astype(np.float64)
    part = (wanted - (below[rows, bins] - inside)) / np.maximum(inside, 1e-30)
    height: Float64s = _LOWEST[bins] + _WIDTH[bins] * np.clip(part, 0.0, 1.0)
    return height


@dataclass(frozen=True, slots=True)
class Judged:
    """The thresholds of n frames, and where a level became the new usual one.

    Attributes:
        threshold: float64 (n,), in units of error.
        since: int64 (n,), ns: the time since which the level was above the threshold, at the frame with which it
            became the usual one; 0 at all others.
        factor: float64 (n,), at such a frame the new threshold as a multiple of the trained one.
    """

    threshold: Float64s
    since: Int64s
    factor: Float64s

    @property
    def moved(self) -> Bools:
        """Frames with which a level became the new usual one, bool (n,)."""
        moved: Bools = self.since != 0
        return moved


@dataclass(frozen=True, slots=True)
class UsualEvent:
    """The level of a series has been above the threshold for so long that it is the new usual one. Times are ns.

    Attributes:
        since, time: the first frame above the threshold, and the frame that shows the change.
        factor: the new threshold as a multiple of the trained one.
        sensors: those that the error comes from, as in an alert.
        row: the reading of the batch that completed the frame; -1: a silence completed it.
    """

    series: str
    since: int
    time: int
    factor: float
    sensors: tuple[str, ...]
    row: int


def usual_events(
    judged: Judged, scored: ScoredFrames, name: Callable[[int], str], sensors: Shares
) -> tuple[UsualEvent, ...]:
    """The events of a batch, in the order of the readings that caused them; arguments as in `Incidents.push`."""
    events = [
        UsualEvent(
            series=name(int(scored.series[at])),
            since=int(judged.since[at]),
            time=int(scored.time[at]),
            factor=float(judged.factor[at]),
            sensors=tuple(share.name for share in sensors(at)),
            row=int(scored.row[at]),
        )
        for at in np.flatnonzero(judged.moved).tolist()
    ]
    return tuple(sorted(events, key=lambda event: event.row))


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
        # Levels of each height, in units of `scale * unit`, each block for less than the one after it.
        self._counts = np.zeros((0, BINS), np.float32)
        # Threshold as a multiple of the trained one: now, and as it was told last, or less where it has fallen since.
        self._unit, self._factor, self._told = np.ones((3, 0))
        # Since the first of consecutive blocks with a level above the threshold: the highest level, frames, time (ns).
        self._highest, self._loud_since = np.zeros(0), np.zeros(0, np.int64)
        self._loud_for, self._patience, self._in_block = np.zeros((3, 0), np.int32)
        self._is_loud = np.zeros(0, np.bool_)

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
        for name in ("_unit", "_factor", "_told"):
            setattr(self, name, grown(getattr(self, name), capacity, 1))
        for name in ("_highest", "_loud_since", "_loud_for", "_patience", "_in_block", "_is_loud"):
            setattr(self, name, grown(getattr(self, name), capacity, 0))

    def set_series(self, slot: int, series: str) -> None:
        """Starts a slot as training left the series."""
        self._trained[slot] = self._table.of(series)
        if self._learning is None:
            return
        self._counts[slot] = counts = self._table.usual_of(series)
        self._unit[slot] = 1.0 / usual_heights(counts[None], self._learning)[0]
        self._factor[slot] = self._told[slot] = 1.0
        self._quieten(slot)
        self._in_block[slot], self._is_loud[slot] = 0, False
        fewest = FEWEST_BLOCKS * self._learning.block
        self._patience[slot] = min(max(int(PART * counts.sum()), fewest), max(self._learning.moved_after, fewest))

    def snapshot(self, slot: int) -> bytes:
        """The learned state of a slot; empty where thresholds do not learn."""
        if self._learning is None:
            return b""
        numbers = (self._unit, self._factor, self._told, self._highest)
        counts = (self._loud_since, self._loud_for, self._in_block, self._is_loud)
        packed = _STATE.pack(*(float(of[slot]) for of in numbers), *(int(of[slot]) for of in counts))
        learned: bytes = self._counts[slot].astype("<f4").tobytes()
        return self.key + packed + learned

    def restore(self, slot: int, state: bytes) -> None:
        """Restores what `snapshot` gave, unless the thresholds of another bundle learned it."""
        if self._learning is None or not state.startswith(self.key):
            return
        size = len(self.key) + _STATE.size
        (
            self._unit[slot], self._factor[slot], self._told[slot], self._highest[slot],
            self._loud_since[slot], self._loud_for[slot], self._in_block[slot], self._is_loud[slot],
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
        threshold, since = self._trained[series], np.zeros(len(level), np.int64)
        factor = np.ones(len(level))
        if self._learning is None:
            return Judged(threshold, since, factor)
        known = ~np.isnan(level)
        before = np.cumsum(known) - known  # levels before each frame, of all series
        block = (before - before[segments.start_of_row] + self._in_block[series]) // self._learning.block
        order = np.argsort(block, kind="stable")
        ends = np.searchsorted(block[order], np.arange(int(block.max(initial=0)) + 2))
        for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            rows = order[first:end]
            threshold[rows] *= self._factor[series[rows]]
            rows = rows[known[rows]]
            if len(rows):
                self._learn(level[rows], level[rows] > threshold[rows], time[rows], series[rows])
                last = rows[np.append(series[rows][1:] != series[rows][:-1], True)]
                full = last[self._in_block[series[last]] >= self._learning.block]
                if len(full):
                    since[full] = self._finish_block(series[full], self._learning)
                    factor[full] = self._factor[series[full]]
        return Judged(threshold, since, factor)

    def _learn(self, level: Float64s, above: Bools, time: Int64s, slots: Int32s) -> None:
        """Counts levels of one block of each series, float64 (n,). Those above the threshold teach nothing."""
        np.add.at(self._in_block, slots, 1)
        quiet = ~above
        scale = self._trained[slots[quiet]] / self._table.q * self._unit[slots[quiet]]
        np.add.at(self._counts, (slots[quiet], heights(level[quiet] / scale)), np.float32(1))
        if above.any():
            loud, since = slots[above], time[above]
            self._is_loud[loud] = True
            np.maximum.at(self._highest, loud, level[above])
            first = np.flatnonzero(self._loud_since[loud] == 0)[::-1]  # of equal slots the last assignment stays
            self._loud_since[loud[first]] = since[first]

    def _finish_block(self, slots: Int32s, learning: Learning) -> Int64s:
        """Computes the thresholds of series whose block is full.

        Returns:
            int64 (G,), ns: where a level became the new usual one, since when it was above the threshold; else 0.
        """
        self._loud_for[slots] += learning.block
        self._quieten(slots[~self._is_loud[slots]])
        moved = self._loud_for[slots] >= self._patience[slots]
        since = np.where(moved, self._loud_since[slots], 0)
        height = usual_heights(self._counts[slots], learning)
        new = slots[moved]
        self._unit[new] = self._highest[new] * self._table.q / (self._trained[new] * height[moved])
        # The new usual level is known from these frames only.
        self._counts[new] *= np.minimum(1.0, self._patience[new] / self._counts[new].sum(axis=1))[:, None]
        factor = height * self._unit[slots]
        self._told[slots] = np.where(moved, factor, np.maximum(np.minimum(self._told[slots], factor), 1.0))
        self._factor[slots] = np.clip(factor, 1.0 / learning.bound, self._told[slots] * learning.bound)
        self._quieten(new)
        self._highest[slots] *= FADING
        self._counts[slots] *= np.float32(np.exp(-learning.block / learning.horizon))
        self._in_block[slots], self._is_loud[slots] = 0, False
        return since

    def _quieten(self, slots: int | Int32s) -> None:
        """Notes that no level of these slots is above the threshold any more."""
        self._highest[slots], self._loud_for[slots], self._loud_since[slots] = 0.0, 0, 0


# Unit, factor, told, highest; loud since, loud for, in block, is loud.
_STATE = struct.Struct("<4dqii?")


def _key(table: ThresholdTable, learning: Learning) -> bytes:
    """Four bytes that other thresholds do not share."""
    assert table.usual is not None
    facts = f"{table.names}{table.q}{learning}".encode()
    return zlib.crc32(table.usual.tobytes(), zlib.crc32(table.scale.tobytes(), zlib.crc32(facts))).to_bytes(4, "little")
