"""Conditions that status events report and that have not ended: the newest of each kind and series."""

from collections.abc import Iterable, Mapping

import msgspec

from stream.events import data_events, detector_events
from stream.events.status_event import StatusEvent, kind_of

_MODULES = (data_events.__name__, detector_events.__name__)
# Every kind of status event, by its name.
KINDS: Mapping[str, type[StatusEvent]] = {
    kind_of(event): event for event in StatusEvent.__subclasses__() if event.__module__ in _MODULES
}
# The kind that each of these kinds ends, for the same series.
ENDS: Mapping[str, str] = {event.ended_by: kind for kind, event in KINDS.items() if event.ended_by is not None}


class StatusView(msgspec.Struct, frozen=True):
    """Fields of a status event that readers use, see `stream.events.status.Status`; other fields are ignored."""

    kind: str
    detector: str
    observed_at: str
    partition: int | None
    series: str | None
    message: str
    details: dict[str, str | int | float] = {}


def standing(events: Iterable[StatusView]) -> list[StatusView]:
    """The events whose kind another one ends and whose end has not come, the oldest first.

    An event about a whole process is ended by any process: one that has taken its partitions over, for example.
    """
    begun: dict[tuple[str, str | None], StatusView] = {}
    for event in events:
        begun.pop((ENDS.get(event.kind, ""), event.series), None)
        if event.kind in ENDS.values():
            begun[event.kind, event.series] = event
    return sorted(begun.values(), key=lambda event: event.observed_at)
