"""`narrows replay --against`: the same rows through two bundles, and how their alerts differ."""

import sys
from pathlib import Path

import msgspec
import torch

from stream.cli.reports.output import print_json, print_json_line
from stream.counters import Count
from stream.errors import BundleError
from stream.events.account import warnings
from stream.events.alert import Alert
from stream.events.difference import KINDS, ChangeCounts, ChangeRecord, count, count_by_series, difference
from stream.events.incident_view import IncidentView, newest
from stream.messages import say, warn
from stream.offline.bad_value_lines import bad_value_lines
from stream.offline.rows import said
from stream.replay import layout_for, replay
from stream.serve.compose import bundle_of, known_series
from stream.settings import Settings


class Side(msgspec.Struct, frozen=True):
    """One bundle: its version, and its counts of readings and frames."""

    version: str
    counts: dict[Count, int]


class ReplayDiff(msgspec.Struct, frozen=True):
    """The JSON document of the command; `all` counts the changes of all series together."""

    before: Side
    after: Side
    all: ChangeCounts
    series: list[ChangeCounts]
    changes: list[ChangeRecord]


def compare(
    settings: Settings,
    data: Path,
    bundle: str | None,
    against: str,
    scores: Path | None,
    accounts: Path | None,
    as_json: bool,
) -> str:
    """Prints how the alerts of two bundles on the same rows differ, on stdout; the counts on stderr.

    The output is a table on a terminal and JSON lines elsewhere. With `as_json` it is one document.

    Args:
        bundle: folder, version or alias of the side `after`; None = the configured one.
        against: folder, version or alias of the side `before`.
        scores: a Parquet file for the verdicts of the side `after`; accounts: a file for the accounts of its series.
            None = not written.

    Returns:
        The version of the side `after`.

    Raises:
        BundleError: one of the bundles is absent or cannot score these data; names it.
    """
    torch.set_num_threads(1)
    try:
        before, alerts_before = _side(settings, data, against, None, None)
    except BundleError as error:
        raise BundleError(f"--against {against}: {error}") from error
    after, alerts_after = _side(settings, data, bundle, scores, accounts)
    changes = difference(alerts_before, alerts_after)
    totals, records = count(changes), [change.record() for change in changes]
    if as_json:
        diff = ReplayDiff(before, after, totals, count_by_series(changes), records)
        print_json(diff)
    elif sys.stdout.isatty():
        from stream.cli.reports.replay_diff import show

        show(before.version, after.version, changes)
    else:
        for record in records:
            print_json_line(record)
    kinds = ", ".join(f"{getattr(totals, kind)} {kind}" for kind in KINDS)
    say(f"{before.version} -> {after.version}: {kinds}")
    for name, side, alerts in (("before", before, alerts_before), ("after", after, alerts_after)):
        counts = ", ".join(f"{what} {number:,}" for what, number in sorted(side.counts.items()) if number)
        say(f"{name}: {len(alerts)} alerts; {counts}")
    return after.version


def _side(
    settings: Settings, data: Path, bundle: str | None, scores: Path | None, accounts: Path | None
) -> tuple[Side, list[IncidentView]]:
    """Replays the data through a bundle; returns its side and its incidents, each in its newest state."""
    _, _, definition = bundle_of(settings, bundle)
    layout = layout_for(data, settings.input.hints.without_label(), definition)
    for line in said(layout):
        say(f"{definition.version}: {line}")
    events: list[IncidentView] = []

    def publish(alert: Alert) -> None:
        events.append(msgspec.convert(alert, IncidentView, from_attributes=True))

    known, after = known_series(settings, definition), settings.serve.unwatched_after
    result = replay(definition, data, layout, publish, scores, accounts, known=known, unwatched_after_ns=after)
    for line in [*warnings(result.accounts), *bad_value_lines(result.accounts, layout.bad_is_dead)]:
        warn(f"{definition.version}: {line}")
    return Side(definition.version, dict(result.counts)), list(newest(events).values())
