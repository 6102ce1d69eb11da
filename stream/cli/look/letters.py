"""Dead letters of the configured topic, chosen by place, reason and time."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.errors import ConfigError
from stream.events.letter_view import LetterView, letter_view
from stream.intake.columns import Reason
from stream.kafka.topic_reader import Common, Starts, TopicReader, TopicRecord, from_beginning, from_offsets, since
from stream.messages import counted, warn

_PLACE = re.compile(r"(\d+)/(\d+)(?:-(\d+))?")


class Letter(NamedTuple):
    """A dead letter, and the record that it is."""

    view: LetterView
    record: TopicRecord


@dataclass(frozen=True)
class Choice:
    """Chooses dead letters; what is not given does not restrict.

    Attributes:
        spans: partition, first and last offset of the letters on their own topic.
        since_ns: written then or later.
    """

    spans: Sequence[tuple[int, int, int]] = ()
    reasons: frozenset[str] = frozenset()
    since_ns: int | None = None

    @classmethod
    def of(cls, places: Sequence[str], reasons: Sequence[str], since_ns: int | None) -> "Choice":
        """The choice that a command line makes.

        Raises:
            ConfigError: a place is none, or there is no such reason.
        """
        spans = []
        for place in places:
            match = _PLACE.fullmatch(place)
            if match is None:
                raise ConfigError(
                    f"{place!r}: expected the place of a dead letter, PARTITION/OFFSET such as 0/17, or 0/17-20"
                )
            first = int(match[2])
            spans.append((int(match[1]), first, int(match[3] or first)))
        unknown = sorted(set(reasons) - set(Reason))
        if unknown:
            raise ConfigError(f"--reason {unknown[0]!r}: expected one of {', '.join(Reason)}")
        return cls(spans, frozenset(reasons), since_ns)

    @property
    def is_empty(self) -> bool:
        """True where nothing restricts the choice."""
        return not (self.spans or self.reasons) and self.since_ns is None

    def starts(self) -> Starts:
        """The first record of each partition that may be chosen."""
        if self.spans:
            return from_offsets({p: min(first for q, first, _ in self.spans if p == q) for p, _, _ in self.spans})
        return from_beginning if self.since_ns is None else since(self.since_ns)

    def takes(self, letter: Letter) -> bool:
        """True for a letter that is chosen."""
        partition, offset = letter.record.partition, letter.record.offset
        placed = not self.spans or any(p == partition and low <= offset <= high for p, low, high in self.spans)
        new = self.since_ns is None or letter.record.timestamp_ms * 1_000_000 >= self.since_ns
        return placed and new and (not self.reasons or letter.view.reason in self.reasons)


def letters(common: Common, topic: str, choice: Choice) -> Iterator[Letter]:
    """The chosen letters that stand on the topic when it is opened; a warning counts records that are no letters.

    Raises:
        BrokerError: no broker answers, there is no such topic, or this user may not read it.
    """
    strangers, passed = 0, set[int]()
    lasts = {p: max(last for q, _, last in choice.spans if p == q) for p, _, _ in choice.spans}
    with TopicReader(common, topic, choice.starts()) as reader:
        ends = reader.ends()
        for record in reader.to_end():
            if record.offset >= min(ends[record.partition], lasts.get(record.partition, record.offset) + 1):
                passed.add(record.partition)
                if lasts.keys() == passed:
                    break
                continue
            view = letter_view(f"{record.partition}/{record.offset}", record.timestamp_ms, record.headers)
            if view is None:
                strangers += 1
            elif choice.takes(letter := Letter(view, record)):
                yield letter
    if strangers:
        are = "that is no dead letter" if strangers == 1 else "that are no dead letters"
        warn(f"passed over: {counted(strangers, 'record')} of topic {topic!r} {are} of narrows")
