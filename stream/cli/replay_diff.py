"""`narrows replay --against`: the same rows through two bundles, and how their alerts differ."""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch

from stream.cli.reports.output import print_json
from stream.errors import BundleError
from stream.events.alert import Alert
from stream.events.difference import KINDS, Change, count, count_by_series, difference
from stream.events.incident_view import IncidentView, newest
from stream.replay import layout_for, replay
from stream.serve.compose import bundle_of, known_series
from stream.settings import Settings
from stream.settings.hints import hints


class Side(NamedTuple):
    """The alerts and counts of one bundle."""

    version: str
    alerts: list[IncidentView]
    counts: dict[str, int]


def compare(
    settings: Settings, data: Path, bundle: str | None, against: str, scores: Path | None, as_json: bool
) -> None:
    """Prints how the alerts of two bundles on the same rows differ, on stdout; the counts on stderr.

    The output is a table on a terminal and JSON lines elsewhere. With `as_json` it is one document.

    Args:
        bundle: folder, version or alias of the side `after`; None = the configured one.
        against: folder, version or alias of the side `before`.
        scores: a Parquet file for the verdicts of the side `after`; None = not written.

    Raises:
        BundleError: one of the bundles is absent or cannot score these data; names it.
    """
    torch.set_num_threads(1)
    try:
        before = _side(settings, data, against, None)
    except BundleError as error:
        raise BundleError(f"--against {against}: {error}") from error
    after = _side(settings, data, bundle, scores)
    changes = difference(before.alerts, after.alerts)
    totals = msgspec.to_builtins(count(changes))
    if as_json:
        print_json(
            {
                **_sides(before, after),
                "all": totals,
                "series": msgspec.to_builtins(count_by_series(changes)),
                "changes": _data(changes),
            }
        )
    elif sys.stdout.isatty():
        from stream.cli.reports.replay_diff import show

        show(_sides(before, after), changes)
    else:
        for change in _data(changes):
            print(json.dumps(change, ensure_ascii=False))
    kinds = ", ".join(f"{totals[kind]} {kind}" for kind in KINDS)
    print(f"{before.version} -> {after.version}: {kinds}", file=sys.stderr)
    for name, side in (("before", before), ("after", after)):
        counts = ", ".join(f"{what} {count:,}" for what, count in sorted(side.counts.items()) if count)
        print(f"{name}: {len(side.alerts)} alerts; {counts}", file=sys.stderr)


def _side(settings: Settings, data: Path, bundle: str | None, scores: Path | None) -> Side:
    _, _, definition = bundle_of(settings, bundle)
    layout = layout_for(data, hints(settings).without_label(), definition)
    events: list[IncidentView] = []

    def publish(alert: Alert) -> None:
        events.append(msgspec.convert(alert, IncidentView, from_attributes=True))

    result = replay(definition, data, layout, publish, scores, known=known_series(settings, definition))
    return Side(definition.version, list(newest(events).values()), dict(result.counts.items()))


def _sides(before: Side, after: Side) -> dict[str, Any]:
    sides = {"before": before, "after": after}
    return {name: {"version": side.version, "counts": side.counts} for name, side in sides.items()}


def _data(changes: list[Change]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = msgspec.to_builtins([change.record() for change in changes])
    return data
