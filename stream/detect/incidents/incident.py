"""An incident of one series, and the events that tell subscribers of it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

import msgspec

NAMESPACE = UUID("6d3c9d0e-5a55-5b0a-9e1c-6e6172726f77")

State = Literal["opened", "updated", "resolved"]
Cause = Literal["model", "range"]
Reason = Literal["recovered", "silent", "split", "amended"]


class SensorShare(msgspec.Struct, frozen=True):
    """One sensor's part in the peak: `share` of the error, what was `observed` and `expected` in its own units.

    outside: the value was outside its valid range, and no part of the error; `expected` is the limit that it broke.
    """

    name: str
    share: float
    observed: float | None
    expected: float
    direction: Literal["high", "low", "unknown"]
    outside: bool = False


class Incident(msgspec.Struct):
    """An open incident; all of it is state that a restart needs.

    `score` to `imputed` are those of the last scored frame, `sensors` those of the frame with the peak score.
    `outside` are the sensors that have left their valid range, in order, each with the value that it left it with.
    Invariant: quiet > 0 exactly where the last frame that counts was below close_ratio, and nothing outside;
    quiet_since is then set. A frame counts that is scored, or has a value outside.
    Invariant: while not scored, score, peak_score, level and disagreement are 0, and sensors is empty.
    """

    alert_id: str
    started_at: int
    sequence: int
    severity: int
    told_at: int
    score: float
    peak_score: float
    level: float
    threshold: float
    disagreement: float
    imputed: int
    sensors: tuple[SensorShare, ...]
    quiet: int = 0
    quiet_since: int = 0
    cause: Cause = "model"
    scored: bool = True
    outside: tuple[SensorShare, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """What a subscriber is told; everything in it is a function of the readings and the bundle.

    Times are ns. `row` is the reading of the batch that caused it, `time` the frame it was seen at.
    """

    series: str
    alert_id: str
    sequence: int
    state: State
    reason: Reason | None
    started_at: int
    ended_at: int | None
    time: int
    severity: str
    score: float
    peak_score: float
    level: float
    threshold: float
    disagreement: float
    imputed: int
    sensors: tuple[SensorShare, ...]
    row: int
    cause: Cause
    scored: bool


def alert_id(detector: str, series: str, started_at: int) -> str:
    """The same in replay, mirror and broker: UUIDv5 of detector, series and time of the opening frame."""
    return str(uuid5(NAMESPACE, f"{detector}\x00{series}\x00{started_at}"))
