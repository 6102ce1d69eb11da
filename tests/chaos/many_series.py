"""Duration of a restart with very many series: kill -9 once all have snapshots, then until every partition is live."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka.admin import AdminClient

from deploy.kafka.broker import Broker
from tests.conftest import create_topic
from tests.support.builders import SECOND, START, a_definition, a_spec
from tests.support.conditions import broker_conditions
from tests.support.live import PARTITIONS, Live

# 20 frames of 8 sensors: 1.4 kB a series.
SPEC = {"window": 16, "smoothing": 5, "sensors": 8, "hidden": 16, "latent": 4}
FRAMES = 20
BAR_SERIES, BAR_S, GOAL_S = 100_000, 15.0, 5.0
SETTINGS = ("serve.max_replay=1000", "serve.batch=2000", "kafka.instance=many")


class Restart(msgspec.Struct, frozen=True):
    """Durations of one restart, in seconds from the start of the second process.

    Attributes:
        snapshot_bytes: bytes of all snapshots, uncompressed.
        started_s: until the service ran.
        restored_s: until the last partition was restored.
        live_s: until the last partition was live.
        replayed: number of messages that were replayed.
    """

    series: int
    snapshot_bytes: int
    started_s: float
    restored_s: float
    live_s: float
    replayed: int

    @property
    def met(self) -> bool | None:
        """True if it is within the bar; None for more series than the bar is about."""
        return None if self.series > BAR_SERIES else self.live_s <= BAR_S


def messages(series: int) -> Iterator[tuple[str, bytes]]:
    """One message for each series, with the readings of a full window and its level."""
    draw = np.random.default_rng(7)
    values = draw.normal(size=(64, FRAMES, 8)).round(4).tolist()
    times = [(START + i * SECOND) // 1_000_000 for i in range(FRAMES)]
    bodies = [
        json.dumps(
            [{"time": t, **{f"s{f}": v for f, v in enumerate(row)}} for t, row in zip(times, rows, strict=True)]
        ).encode()
        for rows in values
    ]
    for i in range(series):
        yield f"pump-{i:06d}", bodies[i % len(bodies)]


def measure(series: int, folder: Path, bootstrap: str) -> Restart:
    """Feeds, kills and restarts the service."""
    admin, numbers = AdminClient({"bootstrap.servers": bootstrap}), count(1)

    def topic(name: str = "topic", partitions: int = 1, config: object = None, *, exact: bool = False) -> str:
        full = f"{name}-{next(numbers)}"
        create_topic(admin, full, partitions, config if isinstance(config, dict) else {})
        return full

    live = Live(folder, bootstrap, topic, a_definition(a_spec(**SPEC), q=1e6))
    try:
        live.send(messages(series))
        first = live.start(*SETTINGS)
        live.wait(lambda: live.committed() >= series, "all series committed", seconds=600)
        live.kill(first)
        begun = datetime.now(UTC)
        second = live.start(*SETTINGS)
        live.wait(lambda: len(live.partitions("partition.live", begun)) == PARTITIONS, "all live again", seconds=300)
        live.stop(second)
        return _times(live, begun, series)
    finally:
        live.close()


def _times(live: Live, begun: datetime, series: int) -> Restart:
    def since(line: dict[str, str]) -> float:
        return (datetime.fromisoformat(line["timestamp"]) - begun).total_seconds()

    # A partition that was rolled back meanwhile has logged it twice.
    restored, live_again = (
        list({line["partition"]: line for line in live.logged(event, begun)}.values())
        for event in ("partition.restored", "partition.live")
    )
    assert sum(line["series"] for line in live_again) == series, "every series must be there again"
    return Restart(
        series=series,
        snapshot_bytes=sum(len(record.value) for record in live.read(live.state)),
        started_s=since(live.logged("service.started")[-1]),
        restored_s=max(since(line) for line in restored),
        live_s=max(since(line) for line in live_again),
        replayed=sum(line["replay"] for line in restored),
    )


def main() -> int:
    """Runs the command; returns 1 if the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.many_series", description=__doc__)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, Broker(Path(scratch) / "kafka") as broker:
        restart = measure(options.series, Path(scratch), broker.bootstrap)
    show(restart, options.json)
    print(f"{time.monotonic() - begun:.0f} s in all", file=sys.stderr)
    return 1 if restart.met is False else 0


def show(of: Restart, as_json: bool) -> None:
    """Prints the figures with their conditions on stdout."""
    if as_json:
        bar = {"bar_s": BAR_S, "goal_s": GOAL_S, "met": of.met}
        print(json.dumps({"conditions": broker_conditions(), **msgspec.to_builtins(of), **bar}, indent=2))
        return
    result = {None: "no bar for so many series", True: "the bar is met", False: "the bar is MISSED"}[of.met]
    print(f"kill -9 and restart with {of.series} series, {of.snapshot_bytes / 1e6:.0f} MB of snapshots written:")
    print(f"the service runs after {of.started_s:.1f} s, has restored after {of.restored_s:.1f} s and is live after")
    print(f"{of.live_s:.1f} s; {of.replayed} messages replayed (bar {BAR_S:g} s, goal {GOAL_S:g} s): {result}")
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in broker_conditions().items()))


if __name__ == "__main__":
    sys.exit(main())
