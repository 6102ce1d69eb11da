"""Plan of a run: the faults of the consumers, drawn from a seed, and the sizes."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stream.kafka.failpoints import PLACES

Push = Literal["", "stop", "zombie"]


@dataclass(frozen=True)
class Fault:
    """A fault that ends or pauses one process of a consumer.

    Attributes:
        kind: "kill": SIGKILL `seconds` after the start. "place": the process kills itself at the `count`-th passage of
            `place`. "pause": it is frozen for `seconds`, at `place` or anywhere, and is stopped later.
        push: cause that leads the process to `place`: "stop" is SIGTERM, "zombie" is a pause longer than the session.
        down: seconds until the instance is started again.
    """

    kind: Literal["kill", "place", "pause"]
    place: str = ""
    count: int = 1
    seconds: float = 0.0
    push: Push = ""
    down: float = 0.0

    @property
    def order(self) -> str:
        """Order for the failpoints of the process."""
        if not self.place:
            return ""
        return f"{self.place}:{self.count}" + (":freeze" if self.kind == "pause" else "")

    def __str__(self) -> str:
        push = {"": "", "stop": " after SIGTERM", "zombie": " after pauses"}[self.push]
        where = f" at {self.place}:{self.count}{push}" if self.place else ""
        seconds = f" {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind}{where}{seconds}" + (f", down {self.down:.1f} s" if self.down else "")


@dataclass(frozen=True)
class Size:
    """Size of a run.

    Attributes:
        records: least number of records.
        rate: records per second during the faults.
        kills: number of kills of consumers, those at places included.
        pauses: number of pauses longer than the session timeout.
        cut_s: seconds for which the consumers are cut off from the broker.
        restarts, takeovers: number of recoveries that are measured; their kills are additional.
        down_share: share of the killed that start again only after the others have taken over.
        places: failpoints with at least one kill each.
    """

    records: int
    series: int
    rate: float
    kills: int
    pauses: int
    cut_s: float
    restarts: int
    takeovers: int
    down_share: float
    places: tuple[str, ...]


# A run changes no bundle, so no process passes these failpoints.
NO_SWAP = ("swapping", "swapped")
ALL_PLACES = tuple(place for place in PLACES if place not in NO_SWAP)
COMMIT_PATH = ("processed", "published", "snapshots_written", "flushed", "offsets_sent", "committed")
SHORT_PLACES = ("published", "flushed", "offsets_sent", "committed", "restored", "replaying", "revoke_entered")
SIZES: Mapping[str, Size] = {
    "short": Size(10_000, 100, 250, 9, 1, 7.0, 0, 0, 0.0, SHORT_PLACES),
    "bars": Size(100_000, 200, 300, 40, 3, 70.0, 12, 6, 0.15, ALL_PLACES),
    "goal": Size(1_000_000, 10_000, 600, 300, 10, 70.0, 30, 15, 0.15, ALL_PLACES),
}

# Largest count of passages; there are about 100 batches and 5 commits a second.
COUNTS: Mapping[str, int] = {"processed": 150, "published": 150} | dict.fromkeys(COMMIT_PATH[2:], 8)
PUSHES: Mapping[str, Push] = {
    "revoke_entered": "stop", "revoke_left": "stop",
    "aborting": "zombie", "lost_entered": "zombie", "rolled_back": "zombie",
}  # fmt: skip
# Least share of the kills that are at places.
PLACED = 0.6
PAUSED_AT = ("offsets_sent", "", "published", "flushed", "snapshots_written", "restored")
LIFE_S = (0.3, 8.0)
PAUSE_S = (7.5, 11.0)
# Longer than the session: other consumers take the partitions over, and they come back.
DOWN_S = (7.0, 10.0)


def make(size: Size, seed: int) -> list[Fault]:
    """Draws the faults of a run, in order; equal sizes and seeds give equal faults."""
    draw = random.Random(seed)
    places = list(size.places)
    # Further rounds over the commit path, where a crash is most delicate.
    while len(places) < size.kills * PLACED:
        places += draw.sample(COMMIT_PATH, len(COMMIT_PATH))
    faults = [_at(place, size, draw) for place in places[: size.kills]]
    faults += [_at_random(size, draw) for _ in range(size.kills - len(faults))]
    faults += [_pause(PAUSED_AT[i % len(PAUSED_AT)], draw) for i in range(size.pauses)]
    draw.shuffle(faults)
    return faults


def _at(place: str, size: Size, draw: random.Random) -> Fault:
    push = PUSHES.get(place, "")
    # The transaction of a zombie is long, and the others would wait for its end.
    down = 0.0 if push == "zombie" else _down(size, draw)
    return Fault("place", place, draw.randint(1, COUNTS.get(place, 1)), push=push, down=down)


def _at_random(size: Size, draw: random.Random) -> Fault:
    return Fault("kill", seconds=round(draw.uniform(*LIFE_S), 2), down=_down(size, draw))


def _pause(place: str, draw: random.Random) -> Fault:
    count = draw.randint(1, COUNTS.get(place, 1))
    return Fault("pause", place, count, seconds=round(draw.uniform(*PAUSE_S), 2))


def _down(size: Size, draw: random.Random) -> float:
    return round(draw.uniform(*DOWN_S), 2) if draw.random() < size.down_share else 0.0
