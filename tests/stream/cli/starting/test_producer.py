"""The producer that `narrows init` writes: its messages decode to the readings that were seen."""

import pytest

from stream.cli.starting.producer import Example, producer_program
from stream.intake.decode import Decoder
from stream.serve.compose import fields
from stream.settings import load
from tests.stream.cli.starting.messages import sent_by

# Midnight in Tokyo: a form that has no time of day can say it.
TIME_NS = 1_767_193_200_000_000_000
FORMS = ("excel", "filetime", "yyyymmdd", "yyyymmddhhmmss", "day_first", "month_first", "epoch_s", "iso8601")


@pytest.mark.parametrize(
    "overrides",
    [
        ["input.sensors=[flow, temp]"],
        ["input.sensors=[flow, temp]", "input.time=ts", "input.time_format=epoch_ms", "input.series=asset"],
        ["input.sensors={flow: data.v.flow, temp: data.v.temp}", "input.time=data.at", "input.series=meta.id"],
        ["input.format=long", "input.sensors=[flow, temp]", "input.sensor=tag.name", "input.value=tag.value"],
        ["input.sensors={flow: 'a\\.b', temp: a.c}", "input.time_format=epoch_us"],
        ["input.sensors={flow: 'Öl {x} 1', temp: 'x''y'}"],
        *(["input.sensors=[flow, temp]", f"input.time_format={form}", "input.timezone=Asia/Tokyo"] for form in FORMS),
        ["input.sensors=[flow, temp]", "input.date=day", "input.time_format=day_first"],
        ["input.sensors=[flow, temp]", "input.date=day", "input.timezone=Asia/Tokyo"],
    ],
)
def test_its_messages_are_the_readings_that_were_seen(overrides: list[str]) -> None:
    settings = load(None, overrides, {})
    long = settings.input.format == "long"
    seen = [Example("p 'ü'", TIME_NS, {"flow": 1.5} if long else {"flow": 1.5, "temp": None})]
    [(key, message)] = sent_by(producer_program(settings, "narrows.yaml", seen))
    decoded = Decoder(fields(settings), ("flow", "temp"), None).decode([message], [key.encode()], [0], [-1])
    assert decoded.dead == ()
    readings = decoded.readings
    assert (readings.names, readings.time.tolist()) == (("p 'ü'",), [TIME_NS])
    assert (readings.values == [[1.5, float("nan")]]).tolist() == [[True, False]]


def test_it_sends_to_the_configured_topic_and_broker() -> None:
    settings = load(None, ["input.topic=plant", "kafka.bootstrap=b1:9092", "input.sensors=[flow]"], {})
    program = producer_program(settings, "mine.yaml", [])
    assert 'TOPIC = "plant"' in program
    assert '"b1:9092"' in program
    assert "in the layout that mine.yaml names" in program
    assert sent_by(program) == []
