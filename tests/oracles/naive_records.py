"""The records of the slow detector: its policy, and the frames, incidents and events that it gives."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

NAN = float("nan")


@dataclass(frozen=True)
class NaivePolicy:
    """Everything that the slow detector needs beside the model; times in ns."""

    sensors: int
    window: int
    smoothing: int
    interval: int
    max_gap: int
    resample: str = "none"
    grace: int = 0
    close_complete: bool = True
    max_carry: int = 5
    max_missing: int = 0
    clip: float = 10.0
    settle: int = 0
    off: Callable[[str, int], bool] = lambda series, time: False
    running: Callable[[list[float]], bool] | None = None
    close_after: int = 3
    close_ratio: float = 0.8
    update_every: int = 10**18
    max_duration: int = 10**18
    edges: Sequence[float] = (2.0, 5.0, 20.0)
    retire_after: int | None = None
    unwatched_after: int | None = None
    valid: Sequence[tuple[float, float]] = ()
    sentinels: Sequence[Sequence[float]] = ()
    rules: Sequence[tuple[str, float, float]] = ()
    log: bool = False
    restart_after: int = 20

    def limited(self, z: float) -> float:
        """A scaled value; beyond the clip it is cut, or grows with the logarithm."""
        if abs(z) <= self.clip:
            return z
        return math.copysign(self.clip + (math.log(abs(z) / self.clip) if self.log else 0.0), z)


@dataclass
class NaiveFrame:
    """A frame with its verdict."""

    series: str
    time: int
    verdict: str
    level: float
    score: float
    imputed: int


@dataclass
class NaiveEvent:
    """An event of an incident; `outside` are the sensors that have left their valid range."""

    series: str
    alert_id: str
    sequence: int
    state: str
    reason: str | None
    started_at: int
    ended_at: int | None
    time: int
    severity: int
    score: float
    peak: float
    cause: str
    scored: bool
    outside: list[int]


@dataclass
class NaiveCoverageEvent:
    """A series is no longer watched, or watched again."""

    series: str
    watched: bool
    since: int
    time: int
    counts: list[int]
    masked: list[int]


@dataclass
class NaiveIncident:
    """An open incident."""

    alert_id: str
    started_at: int
    severity: int
    reported_at: int
    score: float
    peak: float
    sequence: int = -1
    quiet: int = 0
    quiet_since: int = 0
    cause: str = "model"
    scored: bool = True
    outside: list[int] = field(default_factory=list)


@dataclass
class NaiveSeries:
    """The state of one series."""

    last: int | None = None
    newest: int | None = None
    ticks: dict[int, list[list[tuple[int, float]]]] = field(default_factory=dict)
    carried: list[float] = field(default_factory=list)
    age: list[int] = field(default_factory=list)
    idle_at: int | None = None
    window: list[tuple[list[float], list[bool]]] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    incident: NaiveIncident | None = None
    heard: int | None = None
    run: int = 0
    believed: int | None = None
    held: tuple[int, int, Sequence[float]] | None = None
    behind: list[int] = field(default_factory=list)
    restarts: int = 0
