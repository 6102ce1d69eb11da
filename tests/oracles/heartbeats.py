"""Checks the promises of heartbeats: one in each period, in order, complete through the largest time read so far."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream.events.record import rfc3339

KIND = "detector.heartbeat"
STATES = ("scored", "warming", "degraded", "off")


def faults(told: Iterable[Mapping[str, Any]], heard: Mapping[int, Sequence[tuple[int, int]]]) -> list[str]:
    """Broken promises of the heartbeats among status records, which are in order of publication.

    Args:
        heard: by partition, offset of every reading, and watch time after it, ns.
    """
    found: list[str] = []
    last: dict[tuple[int, str], tuple[str, int]] = {}
    for beat in (record for record in told if record["kind"] == KIND):
        partition, offset, details = beat["partition"], beat["offset"], beat["details"]
        clock, period = details["clock"], details["period"]
        before, at = last.get((partition, clock), ("", -1))
        if period <= before or offset < at:
            found.append(f"{clock} heartbeat of partition {partition}: {period} at {offset} after {before} at {at}")
        last[partition, clock] = period, offset
        times = [time for position, time in heard.get(partition, ()) if position < offset]
        due = rfc3339(max(times)) if times else ""
        if details["complete_through"] != due:
            found.append(
                f"partition {partition} at {offset}: complete through {details['complete_through']}, not {due}"
            )
        if details["known"] != sum(details[state] for state in STATES):
            found.append(f"partition {partition} at {offset}: the states do not add up: {details}")
    return found


def missing(told: Iterable[Mapping[str, Any]], newest: Mapping[int, int], period_ns: int) -> list[int]:
    """Partitions whose last heartbeat by stream time is not of the period of their newest time, ns."""
    last = {
        b["partition"]: b["details"]["period"] for b in told if b["kind"] == KIND and b["details"]["clock"] == "stream"
    }
    return [p for p, time in newest.items() if last.get(p) != rfc3339(time // period_ns * period_ns)]
