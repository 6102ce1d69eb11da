"""A whole run: kills and pauses, a killed broker, a cut cable, recovery times, the oracle, the report."""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.cluster import Cluster, cluster
from tests.chaos.consumers import Instance
from tests.chaos.feeder import Feeder
from tests.chaos.lane import Lane, Say
from tests.chaos.oracle import Expected, Verdict
from tests.chaos.plan import SIZES, Fault, Size, make
from tests.chaos.recovery_time import NOT_RESTARTED, NOT_TAKEN_OVER, Times, caught_up, quiet, restarts, takeovers
from tests.chaos.source import Source, definition
from tests.chaos.world import World, until
from tests.support.conditions import broker_conditions
from tests.support.live import PARTITIONS
from tests.support.processes import Launch, cold

NAMES = ("one", "two", "three")
DRAIN_S = 180.0


@dataclass
class Report:
    """Faults and results of a run; `complaints` is empty if all is well."""

    seed: int
    size: str
    done: Counter[str] = field(default_factory=Counter)
    unreached: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    back_after_broker_kill_s: float = 0.0
    back_after_cut_s: float = 0.0
    restart: Times = NOT_RESTARTED
    takeover: Times = NOT_TAKEN_OVER
    verdict: Verdict = field(default_factory=Verdict)
    expected: Expected = field(default_factory=lambda: Expected([], Counter(), 0))
    records: int = 0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """Number of kills of consumers, measured ones included."""
        return sum(count for kind, count in self.done.items() if kind not in ("pause", "broker killed", "cut"))

    @property
    def complaints(self) -> list[str]:
        """Everything that is wrong with the run, in words."""
        found = [] if self.verdict.clean else [str(self.verdict)]
        found += [f"place not reached: {fault}" for fault in self.unreached]
        found += self.surprises
        found += self._missed()
        if self.expected.near:
            found.append(f"{self.expected.near} scores so near to a limit that rounding decides: take another seed")
        return found

    def _missed(self) -> list[str]:
        """Promises of the size that the run did not keep. The short size promises no times."""
        size = SIZES[self.size]
        promised = {
            "records": (self.records, size.records),
            "kills": (self.kills, size.kills),
            "pauses": (self.done["pause"], size.pauses),
            "broker killed": (self.done["broker killed"], 1),
            "cut off": (self.done["cut"], 1),
        }
        missed = [f"{name}: {done} of {wanted}" for name, (done, wanted) in promised.items() if done < wanted]
        missed += [f"restart after a kill {reason}" for reason in self.restart.missed(size.restarts)]
        return missed + [f"takeover after a kill {reason}" for reason in self.takeover.missed(size.takeovers)]


class Run:
    """One run on a cluster of its own."""

    def __init__(
        self, name: str, size: Size, seed: int, running: Cluster, world: World, say: Say, launch: Launch
    ) -> None:
        self._size, self._cluster, self._world, self._say = size, running, world, say
        self._faults = make(size, seed)
        self._instances = [Instance(each, world.folder, world.config, launch=launch) for each in NAMES]
        self._lanes = [Lane(instance, say) for instance in self._instances]
        self._feeder = Feeder(running.direct, world.input, Source(size.series, seed), size.rate)
        self.report = Report(seed, name)

    def go(self) -> Report:
        """Runs all steps in order.

        Raises:
            ConsumerError: a process ended unexpectedly.
            TimeoutError: a recovery did not end.
        """
        try:
            with self._feeder:
                self._chaos()
                self._measure()
                self._drain()
        finally:
            for instance in self._instances:
                instance.close()
                self.report.surprises += instance.surprises
        self.report.verdict, self.report.expected = self._world.judge()
        return self.report

    def _chaos(self) -> None:
        half = len(self._faults) // 2
        quiet(self._world, self._instances)
        self._storm(self._faults[:half])
        self._kill_the_broker()
        self._storm(self._faults[half:])
        self._cut_the_cable()
        for lane in self._lanes:
            self.report.done += lane.done
            self.report.unreached += lane.unreached

    def _storm(self, faults: Sequence[Fault]) -> None:
        """Carries out the faults on all lanes side by side; then waits until all is quiet."""
        stopped = threading.Event()

        def through(number: int) -> None:
            try:
                self._lanes[number].run(faults[number :: len(self._lanes)], stopped)
            except BaseException:
                stopped.set()
                raise

        with ThreadPoolExecutor(len(self._lanes)) as pool:
            for done in [pool.submit(through, number) for number in range(len(self._lanes))]:
                done.result()
        quiet(self._world, self._instances)

    def _kill_the_broker(self) -> None:
        """Kills the broker and one consumer: the broker comes back with a transaction that nobody ends."""
        self._say("the broker is killed, and a consumer with it")
        begun = time.monotonic()
        self._cluster.broker.kill()
        self._instances[0].kill()
        self._cluster.broker.start()
        self._say(f"the broker is back after {time.monotonic() - begun:.1f} s")
        begun = time.monotonic()
        quiet(self._world, self._instances)
        self.report.back_after_broker_kill_s = time.monotonic() - begun
        self.report.done += Counter({"broker killed": 1, "random": 1})

    def _cut_the_cable(self) -> None:
        self._say(f"the consumers are cut off from the broker for {self._size.cut_s:g} s")
        self._cluster.proxy.cut()
        time.sleep(self._size.cut_s)
        self._cluster.proxy.heal()
        self.report.back_after_cut_s = caught_up(self._world)
        quiet(self._world, self._instances)
        self.report.done["cut"] += 1

    def _measure(self) -> None:
        self._say("measuring recovery")
        self.report.restart = restarts(self._world, self._instances, self._size.restarts)
        self.report.takeover = takeovers(self._world, self._instances, self._size.takeovers)
        self.report.done["measured"] += self._size.restarts + self._size.takeovers

    def _drain(self) -> None:
        """Sends the rest of the input, waits until all is committed, and stops the consumers."""
        quiet(self._world, self._instances)
        self._say(f"{self._feeder.sent} records sent; the rest of {self._size.records} at full speed")
        self._feeder.finish(self._size.records)
        ends = self._world.ends()
        until(lambda: self._world.passed(ends), "all input is committed", DRAIN_S)
        for instance in self._instances:
            instance.stop()
        self.report.records = sum(ends)


def run(name: str, size: Size, seed: int, folder: Path, say: Say, launch: Launch = cold) -> Report:
    """Starts a broker in `folder` and runs.

    Args:
        launch: starts the consumers; times are measured with cold starts.
    """
    begun = time.monotonic()
    with cluster(folder / "kafka") as running:
        world = World(folder / "narrows", running.proxied, running.direct, running.topics(), definition())
        try:
            report = Run(name, size, seed, running, world, say, launch).go()
        finally:
            world.close()
    report.seconds = time.monotonic() - begun
    return report


def as_dict(report: Report) -> dict[str, Any]:
    """Every figure as JSON."""
    verdict, size = report.verdict, SIZES[report.size]
    return {
        "conditions": broker_conditions() | {
            "seed": report.seed, "size": report.size, "partitions": PARTITIONS, "consumers": len(NAMES),
            "series": size.series, "records_per_s": size.rate,
        },
        "records": report.records,
        "dispositions": dict(report.expected.dispositions),
        "alert_events": len(report.expected.events),
        "aborted_alert_events": verdict.aborted,
        "kills": report.kills,
        "faults": dict(sorted(report.done.items())),
        "unreached": report.unreached,
        "ended_by_themselves": len(report.surprises),
        "lost": verdict.lost,
        "twice": verdict.twice,
        "extra": verdict.extra,
        "out_of_order": verdict.out_of_order,
        "wrong": verdict.wrong,
        "open_differs": verdict.open_differs,
        "heartbeats": verdict.heartbeats,
        "uncommitted_without_repetitions": {"lost": verdict.uncommitted_lost, "extra": verdict.uncommitted_extra},
        "scores_near_a_limit": report.expected.near,
        "back_after_broker_kill_s": round(report.back_after_broker_kill_s, 1),
        "back_after_cut_s": round(report.back_after_cut_s, 1),
        "kill_to_scored_s": {"restarted": report.restart.as_dict(), "taken_over": report.takeover.as_dict()},
        "seconds": round(report.seconds, 1),
        "complaints": report.complaints,
    }  # fmt: skip


def show(report: Report, as_json: bool) -> None:
    """Prints every figure on stdout, as lines or as JSON."""
    found = as_dict(report)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            print(f"{name.replace('_', ' ')}:")
            for key, entry in value.items():
                print(f"  {key.replace('_', ' ')}: {entry}")
        else:
            print(f"{name.replace('_', ' ')}: {value}")
    print("exactly once" if report.verdict.clean else "NOT exactly once")
