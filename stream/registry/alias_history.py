"""What an alias has pointed to: the lines of a detector's history, and what they say of the past."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec

Action = Literal["point", "train", "amend", "calibrate", "promote", "rollback"]


class AliasChange(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One alias went from one version to another.

    Attributes:
        time: RFC 3339, UTC, by the clock of whoever moved it.
        before: None where the alias was not set, or held no version.
        action: by which command; "rollback" undoes, all others go on.
        reason: in the words of whoever moved it; may be empty.
    """

    time: str
    alias: str
    before: str | None
    after: str
    action: Action
    reason: str


def now() -> str:
    """This instant, as `AliasChange.time`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_changes(lines: Iterable[bytes]) -> list[AliasChange]:
    """The moves that the lines of a history tell, in their order."""
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=AliasChange))
        except msgspec.MsgspecError:
            # Cut short by a kill. A line is written before its alias moves, so this one never did.
            continue
    return found


def previous_version(moves: Iterable[AliasChange], alias: str, current: str) -> str | None:
    """What `alias` pointed to before it was moved to `current`; None where it has pointed to nothing else.

    Going back twice goes back two steps: what was rolled back is not part of the past any more.
    """
    past: list[str] = []
    for move in moves:
        if move.alias != alias:
            continue
        _back_to(past, move.before)
        if move.action == "rollback":
            past.pop()
            _back_to(past, move.after)
        else:
            past.append(move.after)
    _back_to(past, current)
    return past[-2] if len(past) > 1 else None


def _back_to(past: list[str], version: str | None) -> None:
    """Takes off what did not happen or was undone by hand, so that `version` is the newest of the past."""
    if version in past:
        while past[-1] != version:
            past.pop()
    elif version is not None:
        past.append(version)
