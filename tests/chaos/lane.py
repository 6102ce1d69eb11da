"""Faults of one instance, one after the other: it is started, hit by a fault, started again."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.chaos.consumers import Instance
from tests.chaos.plan import Fault
from tests.chaos.world import until

SERVES_S = 60.0
REACHED_S = 45.0
ZOMBIE_S = 8.0
# For a process that is paused: longer than the pause, so that its transaction is still open afterwards.
ZOMBIE_SETTINGS = ("serve.transaction_timeout=12s",)
LIVES_ON_S = 5.0
PAUSES = 8

Say = Callable[[str], None]


class Lane:
    """Carries out faults on one instance, one after the other; several lanes run at a time.

    Attributes:
        done: number of faults, by place or kind.
        unreached: faults whose place the process did not reach in time; it was killed then.
    """

    def __init__(self, instance: Instance, say: Say) -> None:
        self.instance = instance
        self._say = say
        self.done: Counter[str] = Counter()
        self.unreached: list[str] = []

    def run(self, faults: Sequence[Fault], stopped: threading.Event) -> None:
        """Carries out the faults; begins with a running process or none, ends with none."""
        for fault in faults:
            if stopped.is_set():
                return
            self._say(f"{self.instance.name}: {fault}")
            {"kill": self._kill, "place": self._place, "pause": self._pause}[fault.kind](fault)
            stopped.wait(fault.down)

    def _kill(self, fault: Fault) -> None:
        if not self.instance.runs:
            self.instance.start()
        time.sleep(fault.seconds)
        self.instance.kill()
        self.done["random"] += 1

    def _place(self, fault: Fault) -> None:
        self._end_unarmed()
        self.instance.start(fault.order, ZOMBIE_SETTINGS if fault.push == "zombie" else ())
        if fault.push:
            until(self._serves_or_killed, f"{self.instance.name} serves", SERVES_S)
        if fault.push == "stop" and self.instance.runs:
            self.instance.ask_to_stop()
        if fault.push == "zombie":
            self._pause_repeatedly()
        self._await_death(fault)

    def _await_death(self, fault: Fault) -> None:
        try:
            until(self.instance.was_killed, fault.place, REACHED_S)
            self.done[fault.place] += 1
        except TimeoutError:
            self.unreached.append(str(fault))
            self.instance.kill()
            self.done["random"] += 1

    def _pause(self, fault: Fault) -> None:
        self._end_unarmed()
        self.instance.start(fault.order)
        if fault.place:
            until(lambda: self.instance.is_frozen, f"{self.instance.name} freezes at {fault.place}", SERVES_S)
        else:
            until(self.instance.serves, f"{self.instance.name} serves", SERVES_S)
            self.instance.freeze()
        time.sleep(fault.seconds)
        self.instance.thaw()
        self.done["pause"] += 1
        # A zombie finds out, joins again and serves before it is stopped.
        time.sleep(LIVES_ON_S)
        self.instance.stop()

    def _pause_repeatedly(self) -> None:
        """Pauses the process until it dies: by chance it learns of its lost session or fails to commit first."""
        for _ in range(PAUSES):
            with contextlib.suppress(TimeoutError):
                until(self.instance.was_killed, "dies of its pause", LIVES_ON_S)
                return
            self.instance.freeze()
            time.sleep(ZOMBIE_S)
            self.instance.thaw()

    def _serves_or_killed(self) -> bool:
        return self.instance.was_killed() or self.instance.serves()

    def _end_unarmed(self) -> None:
        """Kills a process that was started without an order, so that one with an order can start."""
        if self.instance.runs:
            self.instance.kill()
            self.done["random"] += 1
