"""The usual level of one series, the slow and obvious way: one frame at a time, plain lists and floats."""

import math
from collections.abc import Sequence

Number = float


class NaiveUsual:
    """The threshold of one series that learns; arguments by the names of the bundle's settings.

    Args:
        trained: the trained threshold; q: threshold / scale.
        counts: counts of levels by height that it starts from.
        edges: borders of the heights, in scales.
    """

    def __init__(
        self, trained: float, q: float, counts: Sequence[float], edges: Sequence[float], share: float, block: int,
        horizon: int, bound: float, moved_least: int, moved_after: int,
    ) -> None:  # fmt: skip
        self.trained, self.q, self.counts, self.edges = trained, q, list(counts), list(edges)
        self.start = list(counts)
        self.share, self.block, self.horizon, self.bound = share, block, horizon, bound
        self.patience = min(max(int(sum(counts) / 4), moved_least), max(moved_after, moved_least))
        self.start_again()
        self.seen = self.loud_for = 0
        self.highest, self.is_loud, self.since = 0.0, False, 0
        self.low_for, self.low_since, self.is_high = 0, 0, False

    def start_again(self) -> None:
        """The thresholds and counts of training."""
        self.counts = list(self.start)
        self.usual, self.median = self.height(), self.height(0.5)
        self.unit, self.factor, self.told = 1 / self.usual, 1.0, 1.0

    def height(self, above: float | None = None) -> float:
        """The height that this share of the counted levels exceeds; None: the usual share."""
        total = sum(self.counts)
        wanted = (1 - (above or min(max(self.share, self.block / max(total, 1)), 0.05))) * total
        below = 0.0
        for at, count in enumerate(self.counts):
            if below + count >= wanted or at == len(self.counts) - 1:
                low = self.edges[0] / 1.25 if at == 0 else self.edges[at - 1]
                high = self.edges[at] if at < len(self.edges) else self.edges[-1] * 1.25
                return low + (high - low) * min(max((wanted - below) / count if count else 0.0, 0.0), 1.0)
            below += count
        raise AssertionError

    def push(self, level: float, time: int) -> tuple[float, int]:
        """The threshold of a frame, and since when its level was above it if it is the new usual one from now on."""
        threshold = self.trained * self.factor
        if math.isnan(level):
            return threshold, 0
        self.seen += 1
        self.is_high = self.is_high or level > self.trained
        if level > threshold:
            self.since = self.since or time
            self.highest, self.is_loud = max(self.highest, level), True
        else:
            ratio = level / (self.trained / self.q * self.unit)
            self.counts[sum(edge < ratio for edge in self.edges)] += 1
        return threshold, self.finish(time) if self.seen == self.block else 0

    def finish(self, time: int) -> int:
        """The end of a block."""
        since = 0
        self.loud_for = self.loud_for + self.block if self.is_loud else 0
        if not self.is_loud:
            self.highest, self.since = 0.0, 0
        height, median = self.height(), self.height(0.5)
        if self.loud_for >= self.patience:
            self.usual, self.median = height, median
            self.unit = self.highest * self.q / (self.trained * height)
            total = sum(self.counts)
            self.counts = [count * min(1.0, self.patience / total) for count in self.counts]
            self.told, since = height * self.unit, self.since
            self.highest, self.loud_for, self.since = 0.0, 0, 0
        else:
            height = min(height, 1.1 * self.usual * max(median / self.median, 1.0))
            self.told = max(min(self.told, height * self.unit), 1.0)
        self.factor = min(max(height * self.unit, 1 / self.bound), self.told * self.bound)
        self.highest *= 0.97
        self.counts = [count * math.exp(-self.block / self.horizon) for count in self.counts]
        self.low_since = 0 if self.told <= 1 or self.is_high else self.low_since or time
        self.low_for = self.low_for + self.block if self.low_since else 0
        self.seen, self.is_loud, self.is_high = 0, False, False
        if self.low_for >= self.patience and not since:
            since = self.low_since
            self.start_again()
            self.loud_for, self.highest, self.since, self.low_for, self.low_since = 0, 0.0, 0, 0, 0
        return since
