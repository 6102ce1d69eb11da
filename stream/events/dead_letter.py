"""Dead letters: messages that gave no readings, with the reason in their headers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from stream.events.record import Headers
from stream.intake.columns import Dead, Reason

# A topic takes 1 MiB by default, headers included. A longer message is cut in its letter: `narrows_truncated`.
LETTER_BYTES = 1_000_000
NAMED_ELEMENTS = 100
# Headers of a message that `narrows dlq replay` has sent again: how often, and the place of the first one of these
# bytes. A letter of such a message has them too.
REPLAYS, ORIGIN = "narrows_replays", "narrows_origin"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message for the dead-letter topic: the original key and bytes; the headers have the reason and the origin."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def dead_letters(dead: Iterable[Dead], topic: str, partition: int) -> Iterator[DeadLetter]:
    """Makes one letter for each message and reason, for all dead elements of the message with that reason.

    Header `narrows_index` lists the first of these elements, -1 for the whole message; `narrows_count` is their number.
    """
    for (offset, reason), same in groupby(sorted(dead, key=_message_and_reason), key=_message_and_reason):
        group = list(same)
        value = group[0].value
        headers: Headers = [
            ("narrows_reason", reason.value.encode()),
            ("narrows_detail", group[0].detail.encode()),
            ("narrows_topic", topic.encode()),
            ("narrows_partition", str(partition).encode()),
            ("narrows_offset", str(offset).encode()),
            ("narrows_index", ",".join(str(one.index) for one in group[:NAMED_ELEMENTS]).encode()),
            ("narrows_count", str(len(group)).encode()),
        ]
        if value is not None and len(value) > LETTER_BYTES:
            headers.append(("narrows_truncated", str(len(value)).encode()))
            value = value[:LETTER_BYTES]
        yield DeadLetter(offset, group[0].key, value, headers)


def _message_and_reason(dead: Dead) -> tuple[int, Reason]:
    return dead.position, dead.reason
