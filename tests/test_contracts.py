"""The page of the stream explains every room, field, status event and reason."""

import re

from stream.events.alert import Alert
from stream.events.status import status_schema
from stream.intake.columns import Reason
from tests.support.architecture import FLOW
from tests.support.texts import text_of

STREAM = "stream/README.md"


def section(page: str, heading: str) -> str:
    """Text below a heading of the second level, up to the next one."""
    return text_of(page).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The words in backticks in the first cell of each row of the tables."""
    return re.findall(r"`([\w.]+)`", "\n".join(re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)))


def test_the_rooms_of_the_stream_are_listed_in_the_order_of_the_flow() -> None:
    rooms = [room.removeprefix("stream.") for room in FLOW if room.startswith("stream.")]
    assert first_cells(text_of(STREAM).partition("\n## ")[0]) == [room for room in rooms if room != "__main__"]


def test_every_field_of_an_alert_every_status_event_and_every_reason_of_a_dead_letter_is_explained() -> None:
    events = status_schema()["$defs"]["Status"]["properties"]["kind"]["enum"]
    assert set(first_cells(section(STREAM, "The alert contract"))) == set(Alert.__struct_fields__)
    assert sorted(set(first_cells(section(STREAM, "Status events"))) - {"kind", "ce_type"}) == events
    reasons = section(STREAM, "Dead letters").partition("closed list:")[2].partition("\n\n")[0]
    assert re.findall(r"`(\w+)`", reasons) == [reason.value for reason in Reason]
