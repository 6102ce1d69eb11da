"""An incident of one series, and the events that are published about it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID, uuid5

import msgspec

from stream.detect.policy import View

NAMESPACE = UUID("6d3c9d0e-5a55-5b0a-9e1c-6e6172726f77")

State = Literal["opened", "updated", "resolved"]
Cause = Literal["model", "range"]
Reason = Literal["recovered", "silent", "split", "amended", "new_usual", "unwatched", "clock_restarted"]


class SensorShare(msgspec.Struct, frozen=True):
    """One sensor's part in the peak of an incident.

    Attributes:
        share: part of the frame's error, in [0, 1].
        observed: in the sensor's units, where it deviates most in the window of the peak; None: masked.
        expected: in the sensor's units, there. Of a sensor that stood still in training: the value at which it stood.
        outside: the value was outside its valid range, and not part of the error; `expected` is the limit it broke.
        at: time of `observed`, ns; 0: an older version wrote the snapshot.
        visible: the deviation is large for this sensor. False: no sensor deviates so; this one has the largest share.
    """

    name: str
    share: float
    observed: float | None
    expected: float
    direction: Literal["high", "low", "unknown"]
    outside: bool = False
    at: int = 0
    visible: bool = True


class Incident(msgspec.Struct):
    """An open incident; a restart needs all of it. Times are ns.

    `score` to `imputed` are those of the last scored frame, `sensors` and `view` of the frame with the peak score.
    `outside` are the sensors that have left their valid range, in order, each with its first value outside.
    `reported_at` is the frame of the last event. A frame counts if it is scored or has a value outside.
    Invariant: quiet > 0 exactly if the last frame that counts was below close_ratio, with no value outside;
    quiet_since is then set.
    Invariant: while not scored, score, peak_score, level and disagreement are 0, sensors is empty and view None.
    """

    alert_id: str
    started_at: int
    sequence: int
    severity: int
    reported_at: int = msgspec.field(name="told_at")  # the name in snapshots
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
    view: View | None = None


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One event of an incident; all of it is a function of the readings and the bundle.

    Times are ns. `row` is the reading of the batch that caused the event, `time` that of the frame.
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
    view: View | None


@dataclass(frozen=True, slots=True)
class End:
    """The end of an open incident, before the frame of (row, time). Nothing has watched its series since `at`, ns."""

    row: int
    time: int
    at: int


def alert_id(detector: str, series: str, started_at: int, restarts: int = 0) -> str:
    """Id of an incident: UUIDv5 of detector, series and time of the opening frame. The same in replay and broker.

    A clock that was set back gives the same times again: from the first of its `restarts` on, they are part of the id.
    """
    again = f"\x00{restarts}" if restarts else ""
    return str(uuid5(NAMESPACE, f"{detector}\x00{series}\x00{started_at}{again}"))
