"""Incidents that are read back from alert events."""

from stream.intake.timestamps import LAST_NS
from tests.support.alert_records import MINUTE, START, incident_view


def test_an_alert_lasts_from_its_first_frame_to_the_first_that_is_quiet_and_an_open_one_for_ever() -> None:
    start = START + 5 * MINUTE
    assert incident_view("a", 5, 9).span == (start, START + 9 * MINUTE)
    assert incident_view("a", 5, 9, reason="silent").span == (start, START + 9 * MINUTE + 1), (
        "its last frame is part of it"
    )
    assert incident_view("a", 5, 5, reason="silent").span == (start, start + 1)
    assert incident_view("a", 5, None).span == (start, LAST_NS)
