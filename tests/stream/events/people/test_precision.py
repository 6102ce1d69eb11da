"""Precision of the judged alerts."""

import msgspec

from stream.events.people.precision import precision_report
from tests.support.alert_records import incident_view, judged


def test_precision_counts_what_was_confirmed_or_false_and_nothing_else() -> None:
    alerts = [incident_view("a", n, n + 1) for n in range(0, 14, 2)] + [incident_view("b", 0, 1)]
    said = judged(alerts, ["confirmed", "false", "false", "confirmed", "confirmed", "maintenance", None, None])
    found = msgspec.to_builtins(precision_report(said))
    a, b = found["series"]
    assert a == {
        "series": "a", "alerts": 7, "confirmed": 3, "false": 2, "maintenance": 1, "unjudged": 1, "precision": 0.6,
    }  # fmt: skip
    assert (b["unjudged"], b["precision"]) == (1, None)
    assert (found["all"]["alerts"], found["all"]["precision"]) == (8, 0.6)
