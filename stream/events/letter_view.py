"""Dead letters that are read back from their topic, and their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from stream.events.record import rfc3339

MS_NS = 1_000_000


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter as it stands on its topic.

    Attributes:
        place: of the letter, partition/offset. written_at: time of the letter, RFC 3339.
        topic, partition, offset: of the message that died.
        index, count: elements of an array that died for this reason, the first ones by number, and how many; "-1": the
            whole message.
        truncated: length of the message, of which the letter has only a part; null: it has all.
        replays: how often these bytes were sent again. origin: topic/partition/offset where they came first.
    """

    place: str
    written_at: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    index: str
    count: int
    truncated: int | None
    replays: int
    origin: str


def letter_view(place: str, written_ms: int, headers: Mapping[str, bytes]) -> LetterView | None:
    """The letter of a record by its headers; None where they are not those of a dead letter of narrows."""
    text = {name: value.decode(errors="replace") for name, value in headers.items()}
    fields = {name.removeprefix("narrows_"): value for name, value in text.items() if name.startswith("narrows_")}
    first = "/".join(fields.get(name, "") for name in ("topic", "partition", "offset"))
    usual = {"truncated": None, "replays": "0", "origin": first}
    known = {"place": place, "written_at": rfc3339(max(written_ms, 0) * MS_NS)}
    try:
        return msgspec.convert(usual | fields | known, LetterView, strict=False)
    except msgspec.ValidationError:
        return None


class LetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters with one reason.

    Attributes:
        letters: how many; readings: dead messages and elements of arrays in them.
        died_again: letters of messages that were sent again by `narrows dlq replay`.
        by_partition: letters by the partition of the message, as text.
        newest: the newest letter.
    """

    reason: str
    letters: int
    readings: int
    died_again: int
    by_partition: dict[str, int]
    newest: LetterView


def grouped(letters: Iterable[LetterView]) -> list[LetterGroup]:
    """Groups letters by reason, the most frequent first; keeps only the newest of each."""
    counts: dict[str, Counter[str]] = {}
    partitions: dict[str, Counter[int]] = {}
    newest: dict[str, LetterView] = {}
    for letter in letters:
        counts.setdefault(letter.reason, Counter()).update(
            letters=1, readings=letter.count, died_again=bool(letter.replays)
        )
        partitions.setdefault(letter.reason, Counter())[letter.partition] += 1
        known = newest.get(letter.reason)
        if known is None or letter.written_at.rstrip("Z") >= known.written_at.rstrip("Z"):
            newest[letter.reason] = letter
    groups = [
        LetterGroup(
            reason=reason,
            **counts[reason],
            by_partition={str(number): partitions[reason][number] for number in sorted(partitions[reason])},
            newest=newest[reason],
        )
        for reason in newest
    ]
    return sorted(groups, key=lambda group: (-group.letters, group.reason))
