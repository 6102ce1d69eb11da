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
        self.start, self.returned = list(counts), False
        self.share, self.block, self.horizon, self.bound = share, block, horizon, bound
        self.patience = min(max(int(sum(counts) / 4), moved_least), max(moved_after, moved_least))
        self.most = max(moved_after, moved_least)
        self.start_again()

    def start_again(self) -> None:
        """The thresholds and counts of training."""
        self.counts = self.scaled(self.start, 1.0)
        self.usual, self.quartile = self.height(), self.height(0.75)
        self.unit, self.factor, self.told = 1 / self.usual, 1.0, 1.0
        self.levels: list[tuple[float, int, bool]] = []  # of this block: level, time, above the threshold
        self.run, self.before = 0, 0.0  # frames of a loud run; the highest level of the block before, if it was loud
        self.reached, self.low, self.since = 0.0, 0, 0

    def scaled(self, counts: Sequence[float], by: float) -> list[float]:
        """The counts times a factor, in whole steps: a part in 8 million of the most that there can be."""
        step = 2.0 ** math.ceil(math.log2(2 * (self.horizon + self.block))) / (1 << 24)
        return [math.floor(count * by / step) * step for count in counts]

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
        above = level > threshold
        self.levels.append((level, time, above))
        if not above:
            ratio = level / (self.trained / self.q * self.unit)
            self.counts[sum(edge < ratio for edge in self.edges)] += 1
        return threshold, self.finish() if len(self.levels) == self.block else 0

    def finish(self) -> int:
        """The end of a block: since when the level is another usual one, else 0. `returned`: it is that of training."""
        levels, self.levels = self.levels, []
        start = levels[0][1]
        above = [level for level, _, is_above in levels if is_above]
        self.count_run(above, start, sum(level > self.trained for level, _, _ in levels))
        moved = self.run >= self.patience and self.reached > 0
        height, quartile, told, since = self.height(), self.height(0.75), self.told, 0
        if moved:
            self.usual, self.quartile, since = height, quartile, self.since
            self.unit = self.reached * self.q / (self.trained * height)
            total = sum(self.counts)
            self.counts = self.scaled(self.counts, min(1.0, self.patience / total))
            self.told = height * self.unit
        else:
            height = min(height, 1.1 * self.usual * max(quartile / self.quartile, 1.0))
            self.told = max(min(told, height * self.unit), 1.0)
        self.factor = min(max(height * self.unit, 1 / self.bound), self.told * self.bound)
        if len(above) < self.block:
            self.counts = self.scaled(self.counts, math.exp(-self.block / self.horizon))
        if moved:
            self.run, self.before, self.reached, self.since = 0, 0.0, 0.0, 0
        elif self.low * self.block >= self.most:
            since = self.since
            self.start_again()
        elif told > 1.0 and self.told == 1.0:
            since = start
        self.returned = bool(since) and not moved
        return since

    def count_run(self, above: list[float], start: int, high: int) -> None:
        """Adds a block to the run of loud blocks or of low ones, or takes a quarter from a loud run."""
        is_low = self.told > 1.0 and high <= 0.15 * self.block
        if len(above) > 0.15 * self.block:
            if self.run == 0:
                self.since, self.reached = start, 0.0
            else:
                self.reached = max(self.reached * 0.97, min(self.before, max(above)))
            self.run, self.low, self.before = self.run + self.block, 0, max(above)
            return
        self.before = 0.0
        if self.run > 0:
            self.run = max(self.run - self.block // 4, 0)
            if self.run == 0:
                self.since, self.reached = 0, 0.0
        elif is_low:
            self.since = self.since if self.low else start
            self.low += 1
        else:
            self.since = self.low = 0
