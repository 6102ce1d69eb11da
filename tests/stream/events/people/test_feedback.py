"""Feedback on alerts: its record, and the verdict that holds."""

import json

import jsonschema

from stream.events.people.feedback import Feedback, Judgements, feedback_schema
from stream.events.record import encode
from tests.conftest import ROOT

COMMITTED = ROOT / "deploy" / "schemas" / "feedback.v1.schema.json"
REGENERATE = "python -m deploy.schemas"
ENTRIES = [
    Feedback("one", "false", "2026-03-07T12:00:00Z", "anna", "a valve was, well, \"open\""),
    Feedback("two", "maintenance"),
    Feedback("one", "confirmed", "2026-03-08T12:00:00.5Z"),
]  # fmt: skip


def test_the_committed_schema_is_that_of_the_record() -> None:
    assert json.loads(COMMITTED.read_text()) == feedback_schema(), REGENERATE
    for entry in ENTRIES:
        jsonschema.validate(json.loads(encode(entry)), feedback_schema())
    assert set(json.loads(encode(ENTRIES[1]))) == {"alert_id", "verdict"}


def test_the_last_verdict_by_time_holds_whatever_the_order_and_a_contradiction_is_named() -> None:
    for entries in (ENTRIES, ENTRIES[::-1]):
        judgements = Judgements.of({}, entries)
        assert {alert_id: entry.verdict for alert_id, entry in judgements.verdicts.items()} == {
            "one": "confirmed", "two": "maintenance",
        }  # fmt: skip
        assert judgements.contradicted == ("one",)
        assert judgements.unknown == ("one", "two")
    twice = Judgements.of({}, [Feedback("x", "false"), Feedback("x", "false", "2026-03-07T12:00:00Z")])
    assert twice.contradicted == ()
    untimed = Judgements.of({}, [Feedback("x", "false"), Feedback("x", "confirmed")])
    assert untimed.verdicts["x"].verdict == "confirmed", "of two without a time the later in the file"
