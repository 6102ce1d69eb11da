"""Checks the promises of heartbeats: one in each period, in order, complete through the largest time read so far."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

KIND = "detector.heartbeat"
STATES = ("scored", "warming", "degraded", "off")
NEVER = np.iinfo(np.int64).min


def ns(time: str) -> int:
    """Ns since 1970 of an RFC 3339 time in UTC; NEVER of an empty text."""
    return int(np.datetime64(time.removesuffix("Z"), "ns").astype(np.int64)) if time else NEVER


def faults(
    told: Iterable[Mapping[str, Any]], heard: Mapping[int, Sequence[tuple[int, int]]] | None = None
) -> list[str]:
    """Broken promises of the heartbeats among status records, which are in order of publication.

    Args:
        heard: by partition, offset of every reading, and watch time after it, ns; None: not known.
    """
    found: list[str] = []
    periods: dict[tuple[int, str], int] = {}
    through: dict[int, int] = {}
    for beat in (record for record in told if record["kind"] == KIND):
        partition, offset, details = beat["partition"], beat["offset"], beat["details"]
        where, clock = f"partition {partition} at {offset}", details["clock"]
        period, complete = ns(details["period"]), ns(details["complete_through"])
        if period <= periods.get((partition, clock), NEVER):
            found.append(f"{where}: period {details['period']} of the {clock} clock again")
        if complete < through.get(partition, NEVER):
            found.append(f"{where}: complete through {details['complete_through']}, after a later time")
        periods[partition, clock], through[partition] = period, complete
        times = [time for position, time in (heard or {}).get(partition, ()) if position < offset]
        if heard is not None and complete != max(times, default=NEVER):
            found.append(f"{where}: complete through {complete}, not {max(times, default=NEVER)}")
        if details["known"] != sum(details[state] for state in STATES):
            found.append(f"{where}: the states do not add up: {details}")
    return found


def missing(told: Iterable[Mapping[str, Any]], newest: Mapping[int, int], period_ns: int) -> list[int]:
    """Partitions whose last heartbeat by stream time is not of the period of their newest time, ns."""
    beats = [record for record in told if record["kind"] == KIND and record["details"]["clock"] == "stream"]
    last = {beat["partition"]: ns(beat["details"]["period"]) for beat in beats}
    return [partition for partition, time in newest.items() if last.get(partition) != time // period_ns * period_ns]
