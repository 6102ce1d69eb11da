"""Sends dead letters to the input topic again."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec

from stream.cli.look.letters import Choice, Letter, letters
from stream.errors import DataError
from stream.events.dead_letter import ORIGIN, REPLAYS
from stream.events.letter_view import LetterView
from stream.kafka.topic_reader import NewRecord, append_records
from stream.messages import some
from stream.settings import Settings

LeftOut = Literal["truncated", "died again", "of another topic", "the same message"]
# Places that an error names.
MOST_NAMED = 5


class Resent(msgspec.Struct, frozen=True):
    """Result of `narrows dlq replay`.

    Attributes:
        dry_run: nothing was sent; `sent` counts what would have been.
        sent: messages by reason. left_out: letters that were chosen and not sent, by cause.
    """

    topic: str
    dry_run: bool
    sent: dict[str, int]
    left_out: dict[LeftOut, int]


class Resending:
    """Sends the messages of the chosen dead letters again, each message once, in the order of its letters.

    A letter is left out where it holds only a part of its message, where its message comes from another topic than
    `input.topic`, and, unless `again`, where it died after it was sent again.
    """

    def __init__(self, settings: Settings, choice: Choice, again: bool) -> None:
        self._settings = settings
        self._choice = choice
        self._again = again
        self._sent: Counter[str] = Counter()
        self._left_out: Counter[LeftOut] = Counter()
        self._truncated: list[LetterView] = []

    def run(self, dry_run: bool) -> Resent:
        """Sends, and counts what was sent.

        Raises:
            BrokerError: a topic cannot be read or written; the error counts the messages that are sent by then.
            DataError: all that was chosen is truncated, or nothing is there.
        """
        common, topics = self._settings.kafka.connection(), self._settings.topics
        if dry_run:
            for _ in self._messages():
                pass
        else:
            append_records(common, topics.readings, self._messages())
        if not self._sent and self._truncated:
            one = self._truncated[0]
            raise DataError(
                f"{some([each.place for each in self._truncated], MOST_NAMED)}: cut, the letter has not all of the "
                f"{one.truncated:,} bytes of the message at {one.topic}/{one.partition}/{one.offset}; send the message "
                "again from its source"
            )
        if self._choice.spans and not self._sent and not self._left_out:
            raise DataError(
                f"topic {topics.dead_letters!r}: no such dead letter; `narrows dlq list` names those that are there"
            )
        return Resent(topics.readings, dry_run, dict(self._sent.most_common()), dict(self._left_out.most_common()))

    def _messages(self) -> Iterator[NewRecord]:
        common, topic = self._settings.kafka.connection(), self._settings.topics.dead_letters
        done: set[tuple[int, int]] = set()
        for letter in letters(common, topic, self._choice):
            origin = letter.view.partition, letter.view.offset
            cause = self._left_out_for(letter, done)
            if cause is not None:
                self._left_out[cause] += 1
                continue
            done.add(origin)
            self._sent[letter.view.reason] += 1
            yield self._message(letter)

    def _left_out_for(self, letter: Letter, done: set[tuple[int, int]]) -> LeftOut | None:
        view = letter.view
        if view.topic != self._settings.topics.readings:
            return "of another topic"
        if view.replays and not self._again:
            return "died again"
        if view.truncated is not None:
            self._truncated.append(view)
            return "truncated"
        return "the same message" if (view.partition, view.offset) in done else None

    def _message(self, letter: Letter) -> NewRecord:
        """The message, for the partition that it came from: there its series is scored."""
        view = letter.view
        headers = [(REPLAYS, str(view.replays + 1).encode()), (ORIGIN, view.origin.encode())]
        return NewRecord(letter.record.key, letter.record.value, headers, view.partition)
