"""A small detector, and a random stream for it with late, duplicate and broken readings."""

import json
import random
from dataclasses import replace
from functools import cache

import torch

from stream.detect.definition import Definition
from stream.detect.policy import Learning
from stream.intake.decode import Decoder
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec, fields

SERIES = ("a", "b", "c", "d", "e")
SENT_AT_MS = START // 1_000_000 + 100_000_000
BROKEN = (b"{", b"", b'{"s0": 1}', b'{"time": "soon"}')


@cache
def definition(version: int, ticks: bool) -> Definition:
    """A detector of windows of two frames: some dozens of readings give several incidents in each series."""
    torch.set_num_threads(1)
    spec = a_spec(window=2, smoothing=2, hidden=4, latent=1)
    rules = a_rules(close_after=1, update_every_ns=3 * SECOND)
    tick = {"resample": "last", "grace_ns": 2 * SECOND} if ticks else {}
    # Each frame without a value is degraded, so that series go unwatched.
    policy = a_policy(max_carry=0, **tick)
    # Some dozens of frames move a threshold, and make a usual level of levels that stay high.
    learning = Learning(share=0.1, block=4, horizon=40, bound=2.0, moved_least=12, moved_after=12)
    made = a_definition(spec, policy, rules, q=1.2, series=SERIES[:3], seed=version, learning=learning)
    return replace(made, version=f"v{version}")


class Releases:
    """The source of definitions, with versions that follow one another; `ticks`: frames stand on ticks."""

    def __init__(self, ticks: bool) -> None:
        self.newest = 1
        self._ticks = ticks

    def current(self) -> tuple[Definition, None]:
        return definition(self.newest, self._ticks), None

    def ending_with(self, version: str) -> "Releases":
        """The same, as they were when this version was the newest."""
        ended = Releases(self._ticks)
        ended.newest = int(version.removeprefix("v"))
        return ended

    def version(self, version: str) -> Definition:
        return definition(int(version.removeprefix("v")), self._ticks)


def decoder() -> Decoder:
    return Decoder(fields(max_future_ns=1 << 60, late="dead"), definition(1, False).sensors, None)


class Plant:
    """Readings of five series; each is sent to one partition."""

    def __init__(self, draw: random.Random, partitions: int) -> None:
        self._draw = draw
        self._partitions = partitions
        self._clock = dict.fromkeys(SERIES, START)

    def reading(self) -> tuple[int, bytes, bytes]:
        """Partition, key, value."""
        # Later series are rarer: slow series make replays long.
        series = SERIES[min(int(self._draw.expovariate(0.8)), len(SERIES) - 1)]
        partition = SERIES.index(series) % self._partitions
        if self._draw.random() < 0.04:
            return partition, series.encode(), self._draw.choice(BROKEN)
        if self._draw.random() < 0.1:
            several = [self._values(series) for _ in range(self._draw.randint(2, 4))]
            return partition, series.encode(), json.dumps(several).encode()
        return partition, series.encode(), json.dumps(self._values(series)).encode()

    def _values(self, series: str) -> dict[str, float]:
        """Event time in ms and sensors, now and then without one."""
        self._clock[series] += self._draw.choice((1, 1, 1, 1, 1, 1, 0, -1, 9)) * SECOND
        size = self._draw.choice((0.3, 0.3, 3.0))
        seen = range(2) if self._draw.random() < 0.9 else (self._draw.randrange(2),)
        return {"time": self._clock[series] // 1_000_000} | {f"s{f}": round(self._draw.gauss(0, size), 3) for f in seen}
