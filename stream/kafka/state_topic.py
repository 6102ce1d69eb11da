"""What is kept on the broker between two lives of a consumer: snapshots, and the metadata of a commit."""

import msgspec

from stream.detect.detector import SeriesState

FORMAT = 1
# The broker refuses a commit whose metadata is longer than 4,096 bytes; ours stays far below.
MAX_METADATA = 1024


class Snapshot(msgspec.Struct, frozen=True):
    """One series after all readings of its partition up to and including offset `as_of`.

    `layout` names sensors and frame policy: a snapshot of another layout cannot be restored, the series warms up.
    """

    format: int
    layout: str
    as_of: int
    state: SeriesState


class CommitMetadata(msgspec.Struct, frozen=True):
    """Stands beside the committed offset C and says how to get back to the state at C.

    Attributes:
        r: oldest offset not covered by a snapshot: replay starts here.
        l: the state topic's offset after the last snapshot of this commit: a restore reads exactly the records below.
        t: stream time, ns. o: the instance that committed. b: bundle version.
    """

    f: int
    r: int
    l: int  # noqa: E741 - one letter each: this travels with every commit
    t: int
    o: str
    b: str


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
