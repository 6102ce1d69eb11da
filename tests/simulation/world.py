"""One schedule: kills, freezes, time-outs and rebalances of services, in an order that a seed decides."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from stream.errors import FencedError
from stream.kafka import failpoints
from stream.kafka.failpoints import PLACES, Failpoints
from stream.settings.serve import ServeSettings
from tests.simulation.memory_broker.broker import Broker
from tests.simulation.memory_broker.group import Group
from tests.simulation.memory_broker.log import Entry
from tests.simulation.memory_broker.wire import CALLS, EVERY_CALL, Crash, Wire
from tests.simulation.oracle import HEARTBEAT, Pass, ViolationError, check_commits, check_published, demand
from tests.simulation.plant import SENT_AT_MS, Plant, Releases
from tests.simulation.process import Process, a_process
from tests.simulation.restored import check_restored
from tests.simulation.scope import Scope, drawn
from tests.support.builders import MS, SECOND
from tests.support.kafka_options import kafka_options
from tests.support.options import changed

HEALING_ROUNDS, MAX_DEPTH = 500, 2


class World:
    """A broker, services and a stream; `seed` alone decides everything that happens to them."""

    def __init__(self, seed: int, scope: Scope | None = None) -> None:
        self.seed = seed
        self._draw = random.Random(seed)
        self.scope = drawn(self._draw) if scope is None else scope
        n = self.scope.partitions
        scores = "scores" if self._draw.random() < 0.3 else None
        transaction, session = self._draw.choice((10_000, 60_000)), self._draw.choice((6_000, 10_000))
        self.options = kafka_options(
            "g", "", "in", "alerts", "dead", "state", "status", scores, {}, transaction, session
        )
        self.serve = changed(
            ServeSettings(),
            batch=self._draw.choice((1, 3, 8, 50)),
            poll=5 * MS,
            commit_interval=self._draw.choice((20, 200, 500)) * MS,
            max_replay=self._draw.choice((4, 8, 20)),
            silent_after=3 * SECOND if self.scope.silence else None,
            retire_after=10 * SECOND if self.scope.retire else None,
            unwatched_after=4 * SECOND,
            bundle_poll=50 * MS,
            heartbeat=HEARTBEAT,
            log_every=10**18,
        )
        topics = {"in": n, "alerts": 2, "dead": 1, "state": n, "status": 1, "open": 2, "scores": 1}
        self.broker = Broker(topics, Group(n), self._draw)
        self._plant = Plant(self._draw, n)
        self._releases = Releases(self.scope.ticks)
        after = self.serve.retire_after, self.serve.unwatched_after
        self._passes = [Pass(self.broker, self.options, p, after, self._releases.version) for p in range(n)]
        self.processes: dict[str, Process | None] = {f"i{k}": None for k in range(self.scope.services)}
        # Frozen processes whose name another process has taken since.
        self._twins: list[Process] = []
        self._running: list[Process] = []
        self.trace: list[str] = []
        self.struck: Counter[str] = Counter()

    def run(self) -> None:
        """Runs the schedule, and checks every promise after it.

        Raises:
            ViolationError: a promise is broken. Any other error is a fault in itself. The notes of an error have the
                seed and the steps.
        """
        before = failpoints.install(Failpoints(""))
        try:
            for _ in range(self.scope.steps):
                self._step()
            self._heal()
            self._check()
        except (Exception, Crash) as failure:
            failure.add_note("\n".join([*self.trace[-400:], f"seed {self.seed}, {self.scope}, {self.serve}"]))
            raise
        finally:
            failpoints.install(before)

    def _step(self) -> None:
        calm: Sequence[tuple[int, Callable[[], None]]] = (
            (30, self._append),
            (60, self._turn_one),
            (8, self._advance),
            (8, self.broker.background),
            (8, self._start_one),
        )
        rough: Sequence[tuple[int, Callable[[], None]]] = (
            (16, self._arm),
            (5, self._arm_place),
            (2, self._stop_one),
            (2, self._append_gap),
            (2, self._retain),
            (2, self._audit),
        )
        steps = [*calm, *rough] if self.scope.faults else list(calm)
        if self.scope.swaps:
            steps.append((3, self._release))
        (step,) = self._draw.choices([step for _, step in steps], [weight for weight, _ in steps])
        step()

    def _say(self, what: str) -> None:
        self.trace.append(f"{self.broker.now:10.3f} {'  ' * len(self._running)}{what}")

    def _append(self) -> None:
        for _ in range(self._draw.randint(1, 6)):
            partition, key, value = self._plant.reading()
            offset = self.broker.logs["in", partition].append(Entry(key, value, (), SENT_AT_MS))
            self._say(f"append {partition}@{offset} {key.decode()} {value.decode()}")

    def _append_gap(self) -> None:
        """Appends an aborted transaction of another producer."""
        log = self.broker.logs["in", self._draw.randrange(self.scope.partitions)]
        log.append_aborted(self._draw.randint(0, 2))
        self._say(f"gap up to {log.end}")

    def _release(self) -> None:
        self._releases.newest += 1
        self._say(f"bundle {self._releases.newest}")

    def _retain(self) -> None:
        """Deletes the readings that no restore needs, and compacts the state topic."""
        if self.broker.is_settling:
            return
        # The oracle reads the same log, so it goes first.
        self._audit()
        self.broker.retain("in", "state")
        self._say("deleted and compacted")

    def _advance(self) -> None:
        seconds = self._draw.choice((0.02, 0.3, 0.3, 1.0, 4.0, 12.0))
        self._say(f"{seconds} s pass")
        self.broker.advance(seconds)

    def _alive(self) -> list[Process]:
        alive = [p for p in self.processes.values() if p is not None] + self._twins
        return [p for p in alive if not p.wire.frozen and p not in self._running]

    def _turn_one(self) -> None:
        alive = self._alive()
        if not alive:
            self._start_one()
            return
        self.turn(self._draw.choice(alive))

    def _start_one(self) -> None:
        names = [name for name, process in self.processes.items() if process is None]
        if names:
            self.start(self._draw.choice(names))

    def start(self, instance: str) -> Process:
        """Starts a process under the name of an instance."""
        process = a_process(instance, self.broker, self.options, self.serve, self._freeze, self._releases)
        self.processes[instance] = process
        self._say(f"start {instance}")
        self._guarded(process, process.service.open)
        return process

    def turn(self, process: Process) -> None:
        """Runs one turn of the service's loop."""
        self._say(f"turn {process.instance}")
        before = len(process.consumers)
        self._guarded(process, process.service.turn)
        if len(process.consumers) > before:
            self._say(f"{process.instance} has joined anew")
            self.struck["fenced: joined anew"] += 1

    def _stop_one(self) -> None:
        alive = self._alive()
        if alive:
            process = self._draw.choice(alive)
            self._say(f"stop {process.instance}")
            if self._guarded(process, process.service.close):
                self._bury(process)

    def _guarded(self, process: Process, act: Callable[[], None]) -> bool:
        """Runs `act` of the process; False where the process has ended."""
        self._running.append(process)
        struck = len(process.wire.struck)
        try:
            act()
        except Crash:
            self._say("crashed")
            self._bury(process)
            return False
        except FencedError as ended:
            self._say(f"ended: {ended}")
            demand(process.may_end, f"{process.instance} ended although it was fenced only once: {ended}")
            self.struck["ended: FencedError"] += 1
            self._end(process)
            return False
        finally:
            self._running.remove(process)
            for kind, call in process.wire.struck[struck:]:
                self._say(f"{kind.value}: {call}")
                self.struck[f"{kind.value}: {call}"] += 1
        return True

    def _end(self, process: Process) -> None:
        """Ends the process as `Service.run` does after an error: aborts, then leaves the group."""
        try:
            with suppress(FencedError):
                process.service._abort()
            process.service.close()
        except Crash:
            self._say("crashed on its way out")
        self._bury(process)

    def _bury(self, process: Process) -> None:
        process.bury()
        if self.processes[process.instance] is process:
            self.processes[process.instance] = None
        else:
            self._twins.remove(process)

    def _arm(self) -> None:
        alive = self._alive()
        if alive:
            process, kind = self._draw.choice(alive), self._draw.choice(self.scope.kinds)
            call = self._draw.choice(("", self._draw.choice(CALLS.get(kind, EVERY_CALL))))
            count = self._draw.randint(1, 3 if call else 12)
            self._say(f"arm {process.instance}: {kind.value}, {call} {count}")
            process.wire.arm(kind, call, count)

    def _arm_place(self) -> None:
        order = f"{self._draw.choice(PLACES)}:{self._draw.randint(1, 3)}:{self._draw.choice(('kill', 'freeze'))}"
        self._say(f"arm {order}")

        def act(action: str) -> None:
            self._say(f"at {order}")
            self.struck[f"at {order.partition(':')[0]}: {action}"] += 1
            process = self._running[-1]
            if action == "kill":
                process.wire.die(order)
            self._freeze(process.wire)

        failpoints.install(Failpoints(order, act))

    def _freeze(self, wire: Wire) -> None:
        """Freezes the running process while the others go on, maybe with a new process of the same name."""
        process = self._running[-1]
        assert process.wire is wire
        if len(self._running) > MAX_DEPTH or process.consumer is None:
            return
        self._say(f"freeze {process.instance}")
        wire.frozen = True
        process.consumer.fall_silent()
        if self._draw.random() < 0.3 and self.processes[process.instance] is process:
            self._twins.append(process)
            self.start(process.instance)
        if self._draw.random() < 0.5:
            self.broker.advance(12.0)
        for _ in range(self._draw.choice((1, 5, 20, 40))):
            self._step()
        self._say(f"wake {process.instance}")
        wire.frozen = False
        process.consumer.wake()
        if self._draw.random() < 0.5:
            process.consumer.heartbeat()

    def _heal(self) -> None:
        """Runs all services without faults until everything is committed."""
        self._say("heal")
        failpoints.install(Failpoints(""))
        for process in list(self._twins):
            self._bury(process)
        for round_ in range(HEALING_ROUNDS):
            if self.broker.is_quiet and self.broker.has_all_committed("in"):
                return
            self.broker.background()
            for instance, alive in list(self.processes.items()):
                process = self.start(instance) if alive is None else alive
                process.wire.disarm()
                if self.processes[instance] is process:
                    self.turn(process)
            self.broker.advance(0.01 if round_ % 4 else 1.0)
        raise ViolationError(f"not everything was committed within {HEALING_ROUNDS} rounds: {self.broker.committed}")

    def _audit(self) -> None:
        """Checks a restore from the present commits, unless one of them is pending."""
        if self.broker.is_settling:
            return
        # The product's own recovery runs here: what is armed is meant for others.
        armed = failpoints.install(Failpoints(""))
        check_restored(self.broker, self.options, self.serve, self._releases, self._passes)
        failpoints.install(armed)

    def _check(self) -> None:
        self._audit()
        for partition, one in enumerate(self._passes):
            one.up_to(self.broker.logs["in", partition].end)
        self.alerts = check_published(self.broker, self.options, self._passes)
        self.sights = Counter(kind for one in self._passes for (kind, *_) in one.published.sights.elements())
        check_commits(self.broker, self.options, self.serve.max_replay)
