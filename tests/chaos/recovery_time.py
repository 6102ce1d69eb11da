"""Recovery time: seconds from kill -9 until every series is scored again, measured from outside without other faults.

The clock ends when the group's committed offset of every partition is beyond the input's end at the kill, by at least
one record sent after it. A reading is scored up to a commit interval before it is committed, so the figure is an upper
bound. Input is fed slowly meanwhile, and the group has caught up before the kill.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles

from tests.chaos.consumers import Instance
from tests.chaos.world import World, until

QUIET_S = 90.0
RECOVERY_S = 60.0


@dataclass(frozen=True)
class Times:
    """Seconds to recovery, and the bar for them."""

    seconds: tuple[float, ...]
    bar_s: float
    goal_s: float

    def as_dict(self) -> dict[str, float | bool | int | None]:
        """Figures as JSON; the bar is met if the longest recovery is within it."""
        if not self.seconds:
            return {"count": 0, "median": None, "p90": None, "max": None, "bar": self.bar_s, "met": None}
        p90 = quantiles(self.seconds, n=10, method="inclusive")[-1] if len(self.seconds) > 1 else self.seconds[0]
        longest = max(self.seconds)
        return {
            "count": len(self.seconds), "median": round(median(self.seconds), 2), "p90": round(p90, 2),
            "max": round(longest, 2), "bar": self.bar_s, "goal": self.goal_s,
            "met": longest <= self.bar_s, "goal_met": longest <= self.goal_s,
        }  # fmt: skip

    def missed(self, count: int) -> list[str]:
        """Reasons for which the bar is missed, where `count` measurements were promised."""
        if len(self.seconds) < count:
            return [f"measured {len(self.seconds)} times of {count}"]
        longest = max(self.seconds, default=0.0)
        return [f"took {longest:.1f} s, the bar is {self.bar_s:g} s"] if longest > self.bar_s else []


# Session time-out 6 s.
NOT_RESTARTED, NOT_TAKEN_OVER = Times((), 4.0, 2.0), Times((), 10.0, 7.0)


def quiet(world: World, instances: Sequence[Instance]) -> None:
    """Starts the instances that do not run, and waits until all serve and have caught up."""
    for instance in instances:
        if not instance.runs:
            instance.start()
    for instance in instances:
        until(instance.serves, f"{instance.name} serves", QUIET_S)
    caught_up(world)


def caught_up(world: World) -> float:
    """Waits until the present input is committed; returns the seconds."""
    ends = world.ends()
    return until(lambda: world.passed(ends), "caught up", QUIET_S)


def restarts(world: World, instances: Sequence[Instance], count: int) -> Times:
    """Measures recoveries in which the same instance is started again at once."""
    seconds = tuple(_recovery(world, instances, i, restart=True) for i in range(count))
    return replace(NOT_RESTARTED, seconds=seconds)


def takeovers(world: World, instances: Sequence[Instance], count: int) -> Times:
    """Measures recoveries in which the others take over before the instance is started again."""
    seconds = tuple(_recovery(world, instances, i, restart=False) for i in range(count))
    return replace(NOT_TAKEN_OVER, seconds=seconds)


def _recovery(world: World, instances: Sequence[Instance], number: int, restart: bool) -> float:
    quiet(world, instances)
    instance = instances[number % len(instances)]
    begun = time.monotonic()
    instance.kill()
    if restart:
        instance.start()
    beyond = [end + 1 for end in world.ends()]
    until(lambda: world.passed(beyond), "every partition is scored again", RECOVERY_S)
    return time.monotonic() - begun
