"""Size and difficulty of a schedule."""

import random
from dataclasses import dataclass

from tests.simulation.memory_broker.wire import Kind


@dataclass(frozen=True)
class Scope:
    """Size and difficulty of a schedule.

    Attributes:
        partitions: of the input topic.
        services: number of processes, each with a name of its own.
        steps: of the scheduler, before everything heals.
        faults: True for a schedule with faults.
        silence: True where the wall clock closes silent series.
        swaps: True where new bundles are released.
        retire: True where series leave memory.
        ticks: True where frames stand on ticks, which stay open for a while.
        kinds: of the faults.
    """

    partitions: int = 2
    services: int = 2
    steps: int = 80
    faults: bool = True
    silence: bool = False
    swaps: bool = False
    retire: bool = False
    ticks: bool = False
    kinds: tuple[Kind, ...] = tuple(Kind)


def drawn(draw: random.Random) -> Scope:
    """A random scope."""
    extra = draw.choice(("", "", "silence", "swaps", "retire"))
    sizes = draw.choice((1, 2, 3)), draw.choice((1, 1, 2, 3)), draw.choice((40, 80))
    # A silence that closes a tick and nothing else is published nowhere, so the oracle cannot know of it.
    ticks = extra != "silence" and draw.random() < 0.4
    return Scope(*sizes, silence=extra == "silence", swaps=extra == "swaps", retire=extra == "retire", ticks=ticks)
