"""Differences between alerts of two bundles on the same rows, compared with a look at all pairs."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream.events.difference import Change, count, count_by_series, difference
from stream.events.incident_view import IncidentView
from stream.intake.timestamps import LAST_NS
from tests.support.alert_records import incident_view

MIRRORED = {"gone": "new", "new": "gone", "moved": "moved", "unchanged": "unchanged"}


@st.composite
def sides(draw: st.DrawFn) -> list[IncidentView]:
    """Alerts of one bundle: those of one series do not overlap, and the last may be open."""
    alerts = []
    for series in ("a", "b"):
        edges = sorted(draw(st.lists(st.integers(0, 20), unique=True, max_size=9)))
        ends: list[int | None] = [*edges[1::2], None]
        alerts += [incident_view(series, first, last) for first, last in zip(edges[::2], ends, strict=False)]
    return alerts


def overlaps(one: IncidentView, other: IncidentView) -> bool:
    (start, end), (begin, finish) = one.span, other.span
    return one.series == other.series and start < finish and begin < end


def kinds(changes: list[Change]) -> Counter[str]:
    return Counter(change.kind for change in changes)


@given(before=sides(), after=sides())
def test_each_alert_is_in_one_change_and_of_the_kind_that_a_look_at_all_pairs_gives(
    before: list[IncidentView], after: list[IncidentView]
) -> None:
    changes = difference(before, after)
    assert sorted(a.alert_id for c in changes for a in c.before) == sorted(a.alert_id for a in before)
    assert sorted(a.alert_id for c in changes for a in c.after) == sorted(a.alert_id for a in after)
    gone = [one for one in before if not any(overlaps(one, other) for other in after)]
    new = [one for one in after if not any(overlaps(one, other) for other in before)]
    same = [one for one in before if any(one.series == other.series and one.span == other.span for other in after)]
    assert {a.alert_id for c in changes if c.kind == "gone" for a in c.before} == {a.alert_id for a in gone}
    assert {a.alert_id for c in changes if c.kind == "new" for a in c.after} == {a.alert_id for a in new}
    assert {a.alert_id for c in changes if c.kind == "unchanged" for a in c.before} == {a.alert_id for a in same}
    for change in changes:
        assert change.kind != "moved" or all(
            any(overlaps(one, other) for other in change.after) for one in change.before
        )


@given(alerts=sides())
def test_a_bundle_differs_in_nothing_from_itself(alerts: list[IncidentView]) -> None:
    assert kinds(difference(alerts, alerts)) == Counter({"unchanged": len(alerts)} if alerts else {})


@given(before=sides(), after=sides())
def test_seen_from_the_other_side_gone_is_new(before: list[IncidentView], after: list[IncidentView]) -> None:
    there, back = difference(before, after), difference(after, before)
    mirrored = {(c.series, c.after, c.before, MIRRORED[c.kind]) for c in there}
    assert {(c.series, c.before, c.after, c.kind) for c in back} == mirrored


def test_one_alert_that_became_two_has_moved_once() -> None:
    (change,) = difference([incident_view("a", 0, 10)], [incident_view("a", 1, 3), incident_view("a", 8, None)])
    assert (change.kind, len(change.before), len(change.after)) == ("moved", 1, 2)


def test_an_alert_that_is_still_open_lasts_and_meets_what_opens_later() -> None:
    (change,) = difference([incident_view("a", 5, None)], [incident_view("a", 7, None)])
    assert change.kind == "moved"
    assert change.before[0].span[1] == LAST_NS


def test_an_alert_that_ends_where_another_begins_does_not_meet_it() -> None:
    assert kinds(difference([incident_view("a", 0, 5)], [incident_view("a", 5, 9)])) == {"gone": 1, "new": 1}


def test_counts_are_per_series_and_name_severity_and_the_highest_score_of_each_side() -> None:
    unscored = incident_view("b", 0, 2, scored=False, peak_score=0.0, cause="range")
    changes = difference(
        [incident_view("a", 0, 2, peak_score=3.0, severity="medium"), incident_view("a", 9, 12), unscored],
        [incident_view("a", 0, 2)],
    )
    a, b = msgspec.to_builtins(count_by_series(changes))
    assert {name: a[name] for name in ("series", "gone", "new", "moved", "unchanged")} == {
        "series": "a", "gone": 1, "new": 0, "moved": 0, "unchanged": 1,
    }  # fmt: skip
    assert a["before"] == {"alerts": 2, "severity": {"low": 1, "medium": 1}, "peak_score": 3.0}
    assert a["after"] == {"alerts": 1, "severity": {"low": 1}, "peak_score": 1.5}
    assert b["before"]["peak_score"] is None
    assert msgspec.to_builtins(count(changes))["before"]["alerts"] == 3
    assert msgspec.to_builtins(changes[-1].record())["change"] == "gone"
