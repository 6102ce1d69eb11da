"""`narrows replay --against`: the same rows through two bundles, and how their alerts differ."""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch

from stream.cli.options import print_json
from stream.errors import BundleError
from stream.events.alert import Alert
from stream.events.difference import KINDS, Change, as_data, by_series, counted, difference
from stream.events.incident_view import Raised, newest
from stream.replay import layout_for, replay
from stream.serve.compose import bundle_of, known_series
from stream.settings import Settings
from stream.settings.hints import hints


class Side(NamedTuple):
    """What one bundle made of the rows."""

    version: str
    alerts: list[Raised]
    counts: dict[str, int]


def against_command(
    settings: Settings, data: Path, bundle: str | None, against: str, scores: Path | None, as_json: bool
) -> None:
    """The changes on stdout: a table on a terminal, JSON lines elsewhere, or with `as_json` one document of it all.

    Args:
        bundle: a folder, version or alias; None: as configured. `scores` are its.
        against: the other, whose alerts stand on the side `before`.

    Raises:
        BundleError: a bundle that is not there, or that cannot score these data; says which.
    """
    torch.set_num_threads(1)
    try:
        before = _side(settings, data, against, None)
    except BundleError as fault:
        raise BundleError(f"--against {against}: {fault}") from fault
    after = _side(settings, data, bundle, scores)
    changes = difference(before.alerts, after.alerts)
    totals = counted(changes)
    if as_json:
        print_json({**_sides(before, after), "all": totals, "series": by_series(changes), "changes": _data(changes)})
    elif sys.stdout.isatty():
        from stream.cli.reports.replay_diff import show

        show(_sides(before, after), changes)
    else:
        for change in _data(changes):
            print(json.dumps(change, ensure_ascii=False))
    kinds = ", ".join(f"{totals[kind]} {kind}" for kind in KINDS)
    print(f"{before.version} -> {after.version}: {kinds}", file=sys.stderr)
    for name, side in (("before", before), ("after", after)):
        said = ", ".join(f"{what} {count:,}" for what, count in sorted(side.counts.items()) if count)
        print(f"{name}: {len(side.alerts)} alerts; {said}", file=sys.stderr)


def _side(settings: Settings, data: Path, bundle: str | None, scores: Path | None) -> Side:
    _, _, definition = bundle_of(settings, bundle)
    layout = layout_for(data, hints(settings).without_label(), definition)
    events: list[Raised] = []

    def tell(record: Alert) -> None:
        events.append(msgspec.convert(record, Raised, from_attributes=True))

    done = replay(definition, data, layout, tell, scores, known=known_series(settings, definition))
    return Side(definition.version, list(newest(events).values()), dict(done.counts))


def _sides(before: Side, after: Side) -> dict[str, Any]:
    sides = {"before": before, "after": after}
    return {name: {"version": side.version, "counts": side.counts} for name, side in sides.items()}


def _data(changes: list[Change]) -> list[dict[str, Any]]:
    return [as_data(change) for change in changes]
