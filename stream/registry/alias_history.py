"""The history of a detector's aliases: the changes as JSON lines, and the version before the current one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import msgspec

Action = Literal["point", "train", "amend", "calibrate", "promote", "rollback"]


class AliasChange(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """Change of an alias from one version to another.

    Attributes:
        time: RFC 3339, UTC, by the clock of the process that made the change.
        before: None where the alias was not set, or held no version.
        action: the command; "rollback" undoes a change, every other action adds one.
        reason: given by the user; may be empty.
    """

    time: str
    alias: str
    before: str | None
    after: str
    action: Action
    reason: str


def now() -> str:
    """The current time, as `AliasChange.time`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_changes(lines: Iterable[bytes]) -> list[AliasChange]:
    """Parses the lines of a history, in their order; incomplete lines are skipped."""
    changes = []
    for line in lines:
        try:
            changes.append(msgspec.json.decode(line, type=AliasChange))
        except msgspec.MsgspecError:
            # Cut short by a kill. The line is written before the alias moves, so this change did not happen.
            continue
    return changes


def previous_version(changes: Iterable[AliasChange], alias: str, current: str) -> str | None:
    """The version that `alias` pointed to before `current`; None where there was none.

    A version that was rolled back is no longer part of the past: two rollbacks go back two steps.
    """
    past: list[str] = []
    for change in changes:
        if change.alias != alias:
            continue
        _back_to(past, change.before)
        if change.action == "rollback":
            past.pop()
            _back_to(past, change.after)
        else:
            past.append(change.after)
    _back_to(past, current)
    return past[-2] if len(past) > 1 else None


def _back_to(past: list[str], version: str | None) -> None:
    """Removes changes that did not happen or were undone by hand, so that `version` is the newest of the past."""
    if version in past:
        while past[-1] != version:
            past.pop()
    elif version is not None:
        past.append(version)
