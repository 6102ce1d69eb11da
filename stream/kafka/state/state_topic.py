"""Formats of what a consumer keeps on the broker: snapshots of series, and the metadata of a commit."""

import hashlib
from typing import Literal

import msgspec

from stream.detect.definition import Definition
from stream.detect.frames.clock import NEVER
from stream.detect.series_state import SeriesState

FORMAT = 1
# The broker refuses a commit whose metadata is longer than 4,096 bytes.
MAX_METADATA = 1024
Fate = Literal["kept", "retired", "refused"]
# A series, and its snapshot; None deletes the snapshot.
StateRecord = tuple[str, bytes | None]


class Snapshot(msgspec.Struct, frozen=True):
    """State of one series after all readings of its partition up to and including offset `as_of`.

    Attributes:
        layout: see `layout_of`. Frames of another layout cannot be restored.
        fate: `kept`: `state` is the state of the series. `retired`: the series has left memory. `refused`: its readings
            in this partition are dead letters, because partition `holder` has the series.
    """

    format: int
    layout: str
    as_of: int
    series: str
    fate: Fate
    state: SeriesState | None
    holder: int | None = None


# Names of the fields on the wire, one letter each: the metadata travels with every commit.
WIRE_NAMES = {
    "format": "f",
    "replay_from": "r",
    "state_start": "s",
    "state_end": "l",
    "stream_time": "t",
    "topic_id": "i",
    "instance": "o",
    "bundle": "b",
    "gap_before": "h",
    "reports": "u",
    "watch_time": "w",
    "committed_ms": "c",
    "beats": "p",
}


class CommitMetadata(msgspec.Struct, frozen=True, rename=WIRE_NAMES, omit_defaults=True):
    """Metadata of a commit at offset C: how to restore the state at C.

    Attributes:
        replay_from: R, the oldest offset that no snapshot covers: the replay starts here.
        state_start, state_end: the snapshots to read stand at offsets state_start to state_end - 1 of the state topic.
            `state_start` is the end it had when this partition began; `state_end` (L) follows the last snapshot of
            this commit.
        stream_time, watch_time: before offset `replay_from`, ns; see `StreamClock`.
        topic_id: of the input topic. A topic that was deleted and made again has the same name and another id.
        instance: the process that committed.
        bundle: stamp of the definition that scored up to C.
        gap_before: readings may be missing after snapshots of offsets below `gap_before` - 1, so that their frames
            cannot be restored.
        reports: names of the reports about the process that are open, such as that hardly any reading is used.
        committed_ms: wall clock of the process, ms since 1970; 0: an older version committed.
        beats: start of the last period with a heartbeat, by stream time and by wall clock, ns.
    """

    format: int
    replay_from: int
    state_start: int
    state_end: int
    stream_time: int
    topic_id: str
    instance: str
    bundle: str
    gap_before: int = 0
    reports: tuple[str, ...] = ()
    watch_time: int = NEVER
    committed_ms: int = 0
    beats: tuple[int, int] = (NEVER, NEVER)


def layout_of(definition: Definition) -> str:
    """Hash of sensors and ticks: definitions of the same layout can restore each other's frames."""
    policy = definition.policy
    tick = None if policy.resample == "none" else policy.interval_ns
    text = repr((definition.sensors, policy.resample, tick))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """MessagePack bytes of a snapshot."""
    return msgspec.msgpack.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot | None:
    """The snapshot in a record of the state topic; None where this version does not read its format."""
    try:
        snapshot = msgspec.msgpack.decode(data, type=Snapshot)
    except msgspec.MsgspecError:
        return None
    return snapshot if snapshot.format == FORMAT else None


def encode_metadata(metadata: CommitMetadata, committed_ms: int) -> str:
    """JSON text of the metadata of a commit at this time, at most MAX_METADATA characters."""
    text = msgspec.json.encode(msgspec.structs.replace(metadata, committed_ms=committed_ms)).decode()
    assert len(text) <= MAX_METADATA, "commit metadata must stay below the broker's limit"
    return text


def decode_metadata(text: str | None) -> CommitMetadata | None:
    """The metadata in the text of a commit; None where a tool has set the offset, or the format is another."""
    try:
        metadata = msgspec.json.decode(text or "", type=CommitMetadata)
    except msgspec.MsgspecError:
        return None
    return metadata if metadata.format == FORMAT else None
