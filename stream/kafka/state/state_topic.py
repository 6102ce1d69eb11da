"""What is kept on the broker between two lives of a consumer: snapshots, and the metadata of a commit."""

import hashlib
from typing import Literal

import msgspec

from stream.detect.definition import Definition
from stream.detect.series_state import SeriesState

FORMAT = 1
# The broker refuses a commit whose metadata is longer than 4,096 bytes; ours stays far below.
MAX_METADATA = 1024


class Snapshot(msgspec.Struct, frozen=True):
    """One series after all readings of its partition up to and including offset `as_of`.

    Attributes:
        layout: names sensors and ticks: frames of another layout cannot be taken over.
        fate: `kept`: `state` is the series. `retired`: it has left memory. `refused`: its readings here are dead
            letters, because partition `holder` has the series.
    """

    format: int
    layout: str
    as_of: int
    series: str
    fate: Literal["kept", "retired", "refused"]
    state: SeriesState | None
    holder: int | None = None


class CommitMetadata(msgspec.Struct, frozen=True):
    """Stands beside the committed offset C and says how to get back to the state at C.

    Attributes:
        r: oldest offset not covered by a snapshot: replay starts here.
        s, l: the snapshots to read stand at the state topic's offsets s to l - 1: from the end it had when this
            partition began, to after the last snapshot of this commit.
        t: stream time before offset r, ns.
        i: id of the input topic: another one is another topic of the same name.
        o: the instance that committed. b: bundle version.
        h: between a snapshot of an offset before h - 1 and the replay readings are missing: it gives no frames.
    """

    f: int
    r: int
    s: int
    l: int  # noqa: E741 - one letter each: this travels with every commit
    t: int
    i: str
    o: str
    b: str
    h: int = 0


def layout_of(definition: Definition) -> str:
    """Two definitions with the same layout can take over each other's frames."""
    policy = definition.policy
    tick = None if policy.resample == "none" else policy.interval_ns
    text = repr((definition.sensors, policy.resample, tick))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_snapshot(snapshot: Snapshot) -> bytes:
    return msgspec.msgpack.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot | None:
    """None where the record is of a format this version does not read."""
    try:
        snapshot = msgspec.msgpack.decode(data, type=Snapshot)
    except msgspec.MsgspecError:
        return None
    return snapshot if snapshot.format == FORMAT else None


def encode_metadata(metadata: CommitMetadata) -> str:
    text = msgspec.json.encode(metadata).decode()
    assert len(text) <= MAX_METADATA, "commit metadata must stay below what the broker takes"
    return text


def decode_metadata(text: str | None) -> CommitMetadata | None:
    """None where there is none of ours: a tool has reset the offset."""
    try:
        metadata = msgspec.json.decode(text or "", type=CommitMetadata)
    except msgspec.MsgspecError:
        return None
    return metadata if metadata.f == FORMAT else None
