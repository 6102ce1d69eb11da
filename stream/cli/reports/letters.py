"""Dead letters and what was sent again of them, as text."""

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from stream.cli.reports.alerts import parse_time
from stream.events.letter_view import LetterGroup, LetterView
from stream.messages import counted, shortened, tell
from stream.terminal import console, duration, plain_table

if TYPE_CHECKING:
    from stream.cli.look.letters import Letter
    from stream.cli.look.resending import Resent

# Characters of a message that are shown to people.
MOST_SHOWN = 2000
MOST_DETAIL = 100
LEFT_OUT = {
    "truncated": "the letter has only a part of the message; send it again from its source",
    "died again": "sent again before, and died again; --again takes them too",
    "of another topic": "not of `input.topic`",
    "the same message": "letters of a message that is sent already",
}


class LetterList(msgspec.Struct, frozen=True):
    """The JSON document of `narrows dlq list`."""

    topic: str
    groups: list[LetterGroup]


class ShownLetter(LetterView, frozen=True, kw_only=True):
    """A dead letter with its key and its bytes, as text, or in base64 where they are none; null: there are none."""

    key: str | None
    value: str | None
    key_base64: str | None
    value_base64: str | None


def show_list(found: LetterList) -> None:
    """Prints a table of reasons, the most frequent first."""
    if not found.groups:
        tell(f"no dead letters (topic {found.topic})")
        return
    now = datetime.now(UTC)
    headings = ("reason", "letters", "died again", "by partition", "newest", "place", "detail of the newest")
    table = plain_table(headings, right=("letters", "died again", "newest"))
    for group in found.groups:
        age = (now - parse_time(group.newest.written_at)).total_seconds()
        table.add_row(
            group.reason,
            f"{group.letters:,}",
            f"{group.died_again:,}",
            ", ".join(f"{number}: {count:,}" for number, count in group.by_partition.items()),
            f"{duration(age)} ago",
            group.newest.place,
            shortened(group.newest.detail, MOST_DETAIL),
        )
    total = sum(group.letters for group in found.groups)
    tell(f"{counted(total, 'dead letter')} (topic {found.topic})")
    console().print(table)


def shown_letter(letter: "Letter") -> ShownLetter:
    """A letter with its key and bytes."""
    (key, key_base64), (value, value_base64) = _text(letter.record.key), _text(letter.record.value)
    return ShownLetter(
        **msgspec.structs.asdict(letter.view), key=key, value=value, key_base64=key_base64, value_base64=value_base64
    )


def tell_letter(letter: "Letter") -> None:
    """Prints a letter for people, one fact a line."""
    view, record = letter.view, letter.record
    tell(f"{view.place}  {view.reason}  {view.written_at}")
    facts = [("detail", view.detail), ("message", f"{view.topic}/{view.partition}/{view.offset}")]
    if view.index != "-1":
        facts.append(("elements", f"{view.index} ({view.count:,} of the array)"))
    if view.replays:
        facts.append(("sent again", f"{counted(view.replays, 'time')}; it came first as {view.origin}"))
    facts.append(("key", "none" if record.key is None else shortened(_legible(record.key), MOST_SHOWN)))
    size = "" if record.value is None else f" ({view.truncated or len(record.value):,} bytes)"
    facts.append((f"value{size}", "none" if record.value is None else shortened(_legible(record.value), MOST_SHOWN)))
    for name, text in facts:
        tell(f"  {name}: {text}")


def show_resent(result: "Resent") -> None:
    """Prints what was sent, and what was not and why."""
    total = sum(result.sent.values())
    by_reason = ", ".join(f"{reason} {count:,}" for reason, count in result.sent.items())
    verb = "would send" if result.dry_run else "sent"
    tell(f"{verb} {counted(total, 'message')} to {result.topic}" + (f": {by_reason}" if by_reason else ""))
    for cause, count in result.left_out.items():
        tell(f"left out {count:,}, {cause}: {LEFT_OUT[cause]}")


def _text(data: bytes | None) -> tuple[str | None, str | None]:
    """Bytes as text, or in base64 where they are no UTF-8."""
    if data is None:
        return None, None
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(data).decode()


def _legible(data: bytes) -> str:
    """Bytes as text; those that are none are escaped."""
    return data.decode(errors="backslashreplace")
