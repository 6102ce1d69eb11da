"""Guesses from the messages of a topic: the layout of the wire, and what in them cannot be understood."""

import gzip
from collections.abc import Callable

import pytest

from stream.cli.starting.source import Source
from stream.cli.starting.topic import guess_from_records
from stream.errors import DataError
from stream.kafka.topic_reader import TopicRecord
from stream.settings import Settings, load
from tests.stream.cli.starting.messages import flat, paths, pump, sample, time_ms

Message = Callable[[int], object]


def guessed(records: list[TopicRecord], *overrides: str) -> Source:
    return guess_from_records("readings", records, load(None, overrides, {}))


def reason(source: Source, path: str) -> str:
    return next(guess.reason for guess in source.guesses if guess.path == path)


def test_flat_messages_whose_key_names_the_pump() -> None:
    source = guessed(sample(flat))
    found = paths(source.guesses)
    assert found.items() >= {"input.topic": "readings", "input.format": "wide", "input.time": "time"}.items()
    assert (found["input.series"], found["input.sensors"]) == ("", ["flow", "pressure"])
    assert found["frames.interval"] == "1s"
    assert "the key: 3 in the sample, such as pump-1, pump-2, pump-3" in reason(source, "input.series")
    assert "2026-01-01T00:00:00Z to 2026-01-01T00:00:29Z" in reason(source, "input.time")
    assert source.warnings == []


def test_nested_fields_are_named_by_their_paths_and_sensors_by_their_last_name() -> None:
    def nested(row: int) -> object:
        return {"meta": {"ts": time_ms(row) / 1000, "id": pump(row)}, "payload": {"values": {"flow": row, "a.b": 2.5}}}

    source = guessed(sample(nested))
    found = paths(source.guesses)
    assert found["input.time"] == "meta.ts"
    assert found["input.sensors"] == {"flow": "payload.values.flow", "a.b": r"payload.values.a\.b"}
    assert "the field id says the same" in reason(source, "input.series")


def test_sensors_of_one_last_name_keep_the_names_around_it() -> None:
    source = guessed(sample(lambda row: {"time": time_ms(row), "in": {"temp": row}, "out": {"temp": 2 * row}}))
    assert paths(source.guesses)["input.sensors"] == {"in.temp": "in.temp", "out.temp": "out.temp"}


def test_fractions_of_numbers_count_in_the_search_for_the_layout() -> None:
    """Four readings a second of one asset: cut to seconds, times would repeat, and `gear` would tell them apart."""

    def quick(row: int) -> object:
        return {"time": 1_767_225_600 + row / 4, "flow": row % 4 / 4, "gear": "abcd"[row % 4]}

    source = guessed([record._replace(key=b"pump") for record in sample(quick)])
    assert (paths(source.guesses)["input.series"], paths(source.guesses)["input.sensors"]) == ("", ["flow"])


def test_a_sentence_about_messages_keeps_the_names_of_their_fields() -> None:
    with pytest.raises(DataError, match=r"no time field; .* there are column_a \(double\), column.b"):
        guessed(sample(lambda row: {"column_a": row + 0.5, "column": {"b": True}, "b": False}))


def test_one_sensor_a_message_is_long_and_goes_on_ticks() -> None:
    def one_sensor(row: int) -> object:
        return {"time": time_ms(row - row % 6), "sensor": ("flow", "temp")[row // 3 % 2], "value": row / 2}

    found = paths(guessed(sample(one_sensor)).guesses)
    assert (found["input.format"], found["input.sensor"], found["input.value"]) == ("long", "sensor", "value")
    assert (found["input.sensors"], found["frames.resample"], found["frames.interval"]) == (
        ["flow", "temp"],
        "last",
        "2s",
    )


@pytest.mark.parametrize(
    ("key", "about"),
    [
        (lambda row: None, "no message has a key"),
        (lambda row: f"uuid-{row}", "nearly every message has a key of its own, such as uuid-0"),
        (lambda row: '{"id": 7}', 'keys are JSON, such as {"id": 7}'),
        (lambda row: "\0\1", "keys are bytes that are no text, such as 00 01"),
        (lambda row: "gateway", "tells readings of one key and time apart: 67% repeat both"),
    ],
)  # fmt: skip
def test_a_field_names_the_series_where_the_key_does_not(key: Callable[[int], str | None], about: str) -> None:
    source = guessed(sample(lambda row: {**flat(row), "device": pump(row)}, key))
    assert paths(source.guesses)["input.series"] == "device"
    assert about in reason(source, "input.series")
    assert "3 series: pump-1, pump-2, pump-3" in reason(source, "input.series")


def test_integers_name_the_series_where_a_gateway_is_the_key() -> None:
    source = guessed(sample(lambda row: {**flat(row), "device_id": 100 + row % 3}, lambda row: "gateway"))
    assert paths(source.guesses)["input.series"] == "device_id"
    assert source.look.series == ("100", "101", "102")


def test_fields_that_are_no_numbers_are_named_with_the_reason() -> None:
    source = guessed(
        sample(lambda row: {**flat(row), "state": "on", "tags": [1], "text": f"{row}.5", "": 3, "x": None})
    )
    why = reason(source, "input.sensors")
    assert paths(source.guesses)["input.sensors"] == ["flow", "pressure"]
    assert "text: left out: not numbers" in source.warnings[0]
    assert source.warnings[0].endswith("a sensor if the producer sends JSON numbers")
    for clause in (
        "state is ",
        "text is ",
        "tags is an array",
        "x is always null",
        " is a name that no setting can hold",
    ):
        assert clause in why, clause


def test_messages_that_would_be_dead_are_counted_with_their_reason() -> None:
    def now_and_then(row: int) -> object:
        return b"hello" if row % 30 == 1 else {**flat(row), "flow": "unavailable" if row % 30 == 4 else row}

    warnings = guessed(sample(now_and_then)).warnings
    assert any("of 90 readings, 3 would be dead, `not_json`" in warning for warning in warnings)
    assert any("3 values of `flow` are no numbers, such as 'unavailable'" in warning for warning in warnings)


def test_a_series_in_several_partitions_is_a_warning() -> None:
    assert guessed(sample(flat, partitions=3)).warnings == []
    assert "3 series in several partitions, such as 'pump-1'" in guessed(sample(flat, partitions=2)).warnings[0]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (lambda row: gzip.compress(b"{}"), "90 of 90 are gzip"),
        (lambda row: b"\0\0\0\0\1\x02abc", "90 of 90 are Avro, Protobuf or JSON with the zero byte and the number"),
        (lambda row: b"\xff\x01\x02", "90 of 90 are bytes that are no text"),
        (lambda row: b"2026-01-01,3.5", "90 of 90 are text that is not JSON, such as 2026-01-01,3.5"),
        (lambda row: [3.5], r"90 of 90 are JSON without an object, such as \[3.5\]"),
        (lambda row: {"flow": row}, "no time field"),
        (lambda row: {"time": time_ms(row), "state": "on"}, "no numeric sensors; there are time"),
        (lambda row: {"time": "yesterday", "flow": row}, "yesterday"),
    ],
)  # fmt: skip
def test_a_topic_that_cannot_be_understood_is_an_error_that_says_what_is_there(message: Message, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        guessed(sample(message))
    assert str(caught.value).startswith("topic 'readings'")


def test_an_empty_topic_is_an_error_that_says_so() -> None:
    with pytest.raises(DataError, match="topic 'readings' is empty; start its producer"):
        guess_from_records("readings", [], Settings())


def test_nothing_that_names_the_asset_is_an_error_with_the_setting() -> None:
    with pytest.raises(DataError, match=r"nothing names the asset: no message has a key.* --set input.series=FIELD"):
        guessed(sample(flat, lambda row: None))


def test_settings_that_are_given_are_used() -> None:
    records = sample(
        lambda row: {"payload": {"t": time_ms(row), "who": pump(row), "flow": row, "spare": 1}}, lambda _: None
    )
    given = ("input.time=payload.t", "input.series=payload.who", "input.sensors={f: payload.flow}")
    source = guessed(records, *given)
    assert source.layout.sensors == ("flow",)
    assert source.look.series == ("pump-1", "pump-2", "pump-3")
