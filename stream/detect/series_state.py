"""The state of one series, as a snapshot keeps it."""

import msgspec
import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.clock import NEVER, TickState
from stream.detect.frames.time_check import TimeState
from stream.detect.incidents.incident import Incident
from stream.detect.unwatched import CoverageState


class SeriesState(msgspec.Struct, omit_defaults=True):
    """All that a restart needs of one series; errors and levels follow from it. Arrays are little-endian bytes.

    A field with a default may be absent: a snapshot that was written without it is still read.

    Attributes:
        time: int64 (n,), values: float64 (n, F): frames since the last gap, oldest first, NaN where masked.
        last_time: time of the last frame, ns, also where a gap or an off frame has emptied the history. NEVER: the
            next frame stands after a gap.
        last_off: time of the last frame with `score_when` false, ns.
        carried: float64 (F,), age: int32 (F,): last value of each sensor, and its age in frames.
        ticks: clock and open ticks.
        heard_at: the partition's stream time at the last reading of the series, ns.
        coverage: since when and why it is not watched; None: an older version wrote the snapshot.
        usual: what its threshold has learned; empty: nothing.
        verdict: of its last frame, see `Verdict`; None: it has no frame yet.
        times: what the check of times remembers; None: nothing.
    """

    series: str
    time: bytes
    values: bytes
    last_time: int
    last_off: int
    carried: bytes
    age: bytes
    ticks: TickState
    heard_at: int
    incident: Incident | None
    usual: bytes = b""
    coverage: CoverageState | None = None
    verdict: int | None = None
    times: TimeState | None = None


def without_history(state: SeriesState, definition: Definition) -> SeriesState:
    """The state of a series whose frames are lost: its clock, last off frame, incident and coverage remain.

    The next frame stands after a gap, however short a time after the last one it comes. A reading that is held is lost
    with the frames, and stays unconfirmed.
    """
    sensors, policy = definition.spec.sensors, definition.policy
    return msgspec.structs.replace(
        state,
        time=b"",
        values=b"",
        last_time=NEVER,
        carried=np.full(sensors, np.nan).astype("<f8").tobytes(),
        age=np.full(sensors, policy.max_carry + 1).astype("<i4").tobytes(),
        ticks=TickState(state.ticks.last_frame, state.ticks.newest, []),
        times=None if state.times is None else msgspec.structs.replace(state.times, held=[], held_at=0),
        coverage=None if state.coverage is None else msgspec.structs.replace(state.coverage, best=0, lost=None),
    )
