"""Mutes: series that people take out of service for a while; records of the compacted topic `kafka.mutes`.

A mute is one record, with the series as its key: a later one replaces it, and an empty one ends it. The running
detector takes mutes as maintenance: the frames are off.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from stream.detect.policy import SECOND, Maintenance
from stream.events.incident_view import to_ns
from stream.events.record import JsonSchema, schema_of

# Readings may come late: the frames of a mute stay off for so long after its end.
KEPT_NS = 7 * 86_400 * SECOND
ONE, ALL = "series:", "all"


class Mute(msgspec.Struct, frozen=True, omit_defaults=True):
    """Frames of `series` with start <= time < end are off.

    Attributes:
        series: "": every series.
        start: RFC 3339; null: from the reading on with which the detector takes it.
        end: RFC 3339. at: time at which it was given, RFC 3339.
        reason: for people. by: who gave it.
    """

    series: str
    end: str
    at: str
    reason: str
    start: str | None = None
    by: str | None = None

    @property
    def span(self) -> Maintenance:
        """The frames that are off."""
        return Maintenance(self.series, 0 if self.start is None else to_ns(self.start), to_ns(self.end))


class MuteRecord(NamedTuple):
    """A record of the topic; `mute` None: the mute of this key is over."""

    offset: int
    key: bytes
    mute: Mute | None


def key_of(series: str) -> bytes:
    """Key of the mute of a series; "": that of all."""
    return f"{ONE}{series}".encode() if series else ALL.encode()


def parse_mute(offset: int, key: bytes, value: bytes | None) -> MuteRecord:
    """The record of the topic.

    Raises:
        ValueError: it is no mute.
    """
    if not value:
        return MuteRecord(offset, key, None)
    mute = msgspec.json.decode(value, type=Mute)
    if mute.span.end_ns <= mute.span.start_ns or to_ns(mute.at) < 0:
        raise ValueError(f"mute of {mute.series!r}: it ends before it starts")
    return MuteRecord(offset, key, mute)


def in_force(records: Iterable[MuteRecord], end: int | None = None) -> tuple[Sequence[Mute], int]:
    """The mutes of all records, or of those before offset `end`, and the offset after the last of these; 0: none."""
    mutes: dict[bytes, Mute] = {}
    revision = newest = 0
    for record in records:
        if end is not None and record.offset >= end:
            break
        mutes.pop(record.key, None)
        revision = record.offset + 1
        if record.mute is not None:
            mutes[record.key] = record.mute
            newest = max(newest, to_ns(record.mute.at))
    return [mute for mute in mutes.values() if mute.span.end_ns + KEPT_NS > newest], revision


def mute_schema() -> JsonSchema:
    """JSON Schema of the mute record."""
    return schema_of(Mute, "mute")
