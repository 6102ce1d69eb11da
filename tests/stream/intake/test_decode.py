"""The decoder against the slow decoder, and the reasons one by one."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.intake.columns import Reason
from stream.intake.decode import Decoder
from tests.stream.intake.decode_cases import LAYOUTS, NOW_MS, Batch, batches, columns, decoder, expected, outcome
from tests.support.builders import fields


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=50)
@given(data=st.data())
def test_a_batch_of_anything_decodes_as_by_the_slow_decoder(name: str, data: st.DataObject) -> None:
    """Also the second time, when the decoder knows unread fields, and with restricted series."""
    layout = LAYOUTS[name]
    batch = data.draw(batches(layout))
    known = data.draw(st.sampled_from([None, frozenset({"pump-1", "7"})]))
    subject = decoder(layout, known)
    for _ in range(2):
        decoded = subject.decode(*columns(batch))
        assert outcome(decoded) == expected(layout, known, batch)
        assert decoded.received == len(decoded.readings) + decoded.ignored + len(decoded.dead)
        assert set(decoded.readings.series.tolist()) == set(range(len(decoded.readings.names)))


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=20)
@given(data=st.data())
def test_where_a_batch_is_cut_changes_nothing(name: str, data: st.DataObject) -> None:
    layout = LAYOUTS[name]
    batch = data.draw(batches(layout))
    cut = data.draw(st.integers(0, len(batch)))
    subject = decoder(layout)
    whole = outcome(subject.decode(*columns(batch)))
    first, second = outcome(subject.decode(*columns(batch[:cut]))), outcome(subject.decode(*columns(batch[cut:], cut)))
    assert whole == (first[0] + second[0], first[1] + second[1], first[2] + second[2])


@settings(max_examples=100)
@given(
    values=st.lists(
        st.one_of(st.binary(max_size=40), st.text(alphabet='{}[]":,0e-\\utemp ', max_size=30).map(str.encode))
    )
)
def test_arbitrary_bytes_raise_nothing_and_are_all_accounted_for(values: list[bytes]) -> None:
    batch: Batch = [(value, b"pump-1", NOW_MS) for value in values]
    decoded = decoder(LAYOUTS["flat"]).decode(*columns(batch))
    assert outcome(decoded) == expected(LAYOUTS["flat"], None, batch)
    assert decoded.received >= len(values)


def test_true_and_false_are_one_and_zero() -> None:
    """As in a history: a column of booleans is one of numbers there."""
    batch: Batch = [(f'{{"time":{NOW_MS},"temp":{word}}}'.encode(), b"pump-1", NOW_MS) for word in ("true", "false")]
    decoded = decoder(LAYOUTS["flat"]).decode(*columns(batch))
    place = list(decoded.readings.values[0]).index(1.0)
    assert decoded.readings.values[:, place].tolist() == [1.0, 0.0]


def good(**more: Any) -> bytes:
    return json.dumps({"time": NOW_MS, "temp": 1.5, **more}).encode()


DEAD: dict[Reason, list[bytes | None]] = {
    Reason.EMPTY: [None, b"", b" \r\n\t", b"[]"],
    Reason.TOO_LARGE: [b" " * (1 << 20) + b" ", good(x="y" * (1 << 20))],
    Reason.NOT_UTF8: [b"\xff", b'{"time":1,"x":"\xff"}', b'{"time":1,"x":"\\ud800"}'],
    Reason.NOT_JSON: [
        b"temp=1",
        b"{",
        good() + good(),
        b"\xef\xbb\xbf" + good(),
        b"[" * 10**5,
        b'{"time":1,"temp":1.}',
    ],
    Reason.NOT_A_NUMBER: [
        b'{"time":1,"temp":NaN}',
        b'{"time":1,"x":-Infinity}',
        b'{"time":1,"temp":1e309}',
        b'{"time":1,"temp":' + b"9" * 310 + b"}",
        b'{"time":1,"temp":' + b"9" * 5000 + b"}",
        b'[{"time":1,"temp":1},{"time":1,"temp":1e309}]',
    ],
    Reason.DUPLICATE_KEY: [
        b'{"time":1,"temp":1,"temp":2}',
        b'{"time":1,"temp":1,"te\\u006dp":2}',
        b'{"time":1,"x":{"temp":1,"temp":1}}',
        b'{"time":1,"time":null}',
    ],
    Reason.WRONG_TYPE: [
        b"1",
        b"null",
        b'"temp"',
        b"[1]",
        b'{"time":1,"temp":"1"}',
        b'{"time":true}',
        b'{"time":[1]}',
        b'[{"time":1},{"time":1,"temp":{}}]',
    ],
    Reason.MISSING_TIME: [b"{}", b'{"temp":1}', b'{"time":null}'],
    Reason.BAD_TIME: [
        b'{"time":"yesterday"}',
        b'{"time":"now"}',
        b'{"time":""}',
        b'{"time":"2023-02-30"}',
        b'{"time":1e300}',
        b'{"time":1e400}',
        b'{"time":' + b"9" * 400 + b"}",
        b'{"time":"2300-01-01T00:00:00Z"}',
    ],
    Reason.FUTURE_TIME: [json.dumps({"time": NOW_MS + 300_001}).encode(), b'{"time":"2100-01-01"}'],
}


CASES: list[tuple[Reason, bytes | None]] = [(reason, value) for reason, values in DEAD.items() for value in values]


@pytest.mark.parametrize(("reason", "value"), CASES)
def test_a_message_that_is_no_reading_is_dead_for_its_reason_and_keeps_its_bytes(
    reason: Reason, value: bytes | None
) -> None:
    """Its neighbours are read. Known unread fields excuse no fault."""
    known_field: Batch = [(good(x="y"), b"pump-1", NOW_MS)]
    batch = [*known_field, (value, b"pump-1", NOW_MS), *known_field]
    subject = decoder(LAYOUTS["flat"])
    subject.decode(*columns(known_field))
    decoded = subject.decode(*columns(batch))
    (dead,) = decoded.dead
    assert (dead.reason, dead.position, dead.index) == (reason, 1, -1)
    assert (dead.key, dead.value) == (b"pump-1", value)
    assert dead.detail
    assert len(dead.detail) < 300
    assert "\n" not in dead.detail
    assert decoded.readings.position.tolist() == [0, 2]


FULL = {"meta": {"at": 1, "id": "p"}, "values": {"temp": 1, "deep": {"flow": 2}}, "a:b": 3, "x": 4, "y": {"z": "a:b"}}


@pytest.mark.parametrize("path", ["meta.at", "meta.id", "values", "values.temp", "values.deep", "a:b", "values.deep{}"])
@pytest.mark.parametrize("extra", [(), ("x",), ("x", "y")])
def test_a_repeated_key_is_seen_though_another_message_of_the_batch_lacks_just_that(
    path: str, extra: tuple[str, ...]
) -> None:
    """Counts over the batch must not balance."""
    wanted = {name: value for name, value in FULL.items() if name not in ("x", "y") or name in extra}
    message = json.loads(json.dumps(wanted))
    if path.endswith("{}"):
        message["values"]["deep"] = {}
    *nodes, leaf = path.removesuffix("{}").split(".")
    below = message
    for node in nodes:
        below = below[node]
    full = json.dumps(message).encode()
    member = f'"{leaf}": {json.dumps(below.pop(leaf))}'.encode()
    lacks = json.dumps(message).encode()
    subject = decoder(LAYOUTS["nested"])
    batch: Batch = [(text, None, -1) for text in (full, lacks, full.replace(member, member + b", " + member), full)]
    for _ in range(4):
        decoded = subject.decode(*columns(batch))
        assert outcome(decoded) == expected(LAYOUTS["nested"], None, batch)
        assert (2, -1, "duplicate_key") in outcome(decoded)[1]


def test_an_escaped_colon_hides_no_repeated_key() -> None:
    values = [b'{"time":"2023-11-14","id":"a\\u003ab"}', b'{"time":"2023-11-14","id":"a","id":"b"}']
    decoded = decoder(LAYOUTS["iso8601"]).decode(values, [None] * 2, range(2), [-1] * 2)
    assert [(d.position, d.reason) for d in decoded.dead] == [(1, Reason.DUPLICATE_KEY)]
    assert decoded.readings.names == ("a:b",)


@pytest.mark.parametrize(("levels", "dead"), [(64, 0), (65, 1), (900, 1), (5_000, 1)])
def test_sixty_four_levels_are_the_deepest(levels: int, dead: int) -> None:
    """Brackets in strings are no levels, and other messages with fewer do not make up for more."""
    deep = (
        b'{"meta":{"at":1700000000,"id":"[{"},"values":{"deep":{}},"x":'
        + b"[" * (levels - 1)
        + b"]" * (levels - 1)
        + b"}"
    )
    others: Batch = [(b'{"meta":{"at":1700000000,"id":"p"},"x":1}', None, -1)] * 50
    subject = decoder(LAYOUTS["nested"])
    for _ in range(2):
        decoded = subject.decode(*columns([*others, (deep, None, -1)]))
        assert [d.reason for d in decoded.dead] == [Reason.NOT_JSON] * dead


def test_null_is_absent_at_every_level_of_a_path() -> None:
    """But a long reading must name its sensor."""
    values = [
        b'{"meta":{"at":1700000000,"id":"p"},"values":null}',
        b'{"meta":{"at":1700000000,"id":"p"},"values":{"temp":1,"deep":null}}',
    ]
    decoded = decoder(LAYOUTS["nested"]).decode([*values, b'{"meta":null}'], [None] * 3, range(3), [-1] * 3)
    np.testing.assert_array_equal(decoded.readings.values, [[math.nan] * 3, [1, math.nan, math.nan]])
    assert [d.reason for d in decoded.dead] == [Reason.MISSING_TIME]
    long = decoder(LAYOUTS["long"]).decode([b'{"time":1700000000,"meta":null,"id":"p"}'], [None], [0], [-1])
    assert [d.reason for d in long.dead] == [Reason.WRONG_TYPE]


def test_a_sensor_is_the_field_of_its_name_also_where_that_has_dots_and_a_path_is_taken_apart() -> None:
    """Read by the fast reader, and by the strict one because of the backslash in another field."""
    values = [
        b'{"t.at":1700000000,"temp.inlet":1,"temp":{"inlet":2,"out.let":3},"x":0}',
        b'{"t.at":1700000000,"temp.inlet":1,"temp":{"inlet":2,"out.let":3},"x":"\\\\"}',
    ]
    layout = fields(time=r"t\.at", sensors={"nested": "temp.inlet", "both": r"temp.out\.let"})
    subject = Decoder(layout, ("temp.inlet", "nested", "both"), None)
    for _ in range(2):
        decoded = subject.decode(values, [b"p"] * 2, range(2), [-1] * 2)
        assert decoded.readings.values.tolist() == [[1.0, 2.0, 3.0]] * 2
        assert not decoded.dead


def test_only_a_float_has_a_negative_zero() -> None:
    """Read by the fast reader, and by the strict one because of the backslash."""
    values = [b'{"time":1700000000,"temp":-0,"a:b":-0.0}', b'{"time":1700000000,"temp":-0,"a:b":-0.0,"x":"\\\\"}']
    for value in values:
        decoded = decoder(LAYOUTS["flat"]).decode([value], [b"p"], [0], [-1])
        assert np.signbit(decoded.readings.values[0]).tolist() == [False, False, True]


def test_a_time_just_as_far_ahead_as_allowed_is_used() -> None:
    values = [b'{"time":%d}' % (NOW_MS + 300_000), b'{"time":%d}' % (NOW_MS + 300_001)]
    decoded = decoder(LAYOUTS["flat"]).decode(values, [b"p"] * 2, range(2), [NOW_MS] * 2)
    assert decoded.readings.position.tolist() == [0]
    assert [d.reason for d in decoded.dead] == [Reason.FUTURE_TIME]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, Reason.MISSING_SERIES),
        (b"", Reason.MISSING_SERIES),
        (b"\xff", Reason.NOT_UTF8),
        (b"pump-9", Reason.UNKNOWN_SERIES),
    ],
)
def test_a_key_that_names_no_series_of_ours_kills_the_message(key: bytes | None, reason: Reason) -> None:
    decoded = decoder(LAYOUTS["flat"], frozenset({"pump-1"})).decode([good()], [key], [5], [-1])
    assert [(d.reason, d.position, d.index, d.key) for d in decoded.dead] == [(reason, 5, -1, key)]


def test_where_only_one_series_is_known_a_dead_message_of_another_one_names_it() -> None:
    """Training may have named it by a file, and messages by their key."""
    (dead,) = decoder(LAYOUTS["flat"], frozenset({"Q1"})).decode([good()], [b"pump-1"], [0], [NOW_MS]).dead
    assert dead.detail == "series b'pump-1' is not 'Q1', the only known one; `input.series_name` names it in training"


def test_the_decoder_gives_every_reason_that_is_its_business() -> None:
    """The last one needs a comparison of partitions, which a decoder does not see."""
    of_the_key = {Reason.MISSING_SERIES, Reason.UNKNOWN_SERIES}
    assert set(DEAD) | of_the_key == set(Reason) - {Reason.SERIES_IN_TWO_PARTITIONS, Reason.LATE}


def test_a_key_does_not_matter_where_a_field_is_the_series() -> None:
    value = b'{"id":7,"time":"2023-11-14T22:13:20Z"}'
    decoded = decoder(LAYOUTS["iso8601"]).decode([value], [b"\xff"], [0], [-1])
    assert (decoded.readings.names, decoded.readings.time.tolist()) == (("7",), [NOW_MS * 10**6])


def test_elements_of_an_array_live_and_die_by_themselves() -> None:
    """A bad time in one of them does not affect the others; all have the position of the message."""
    value = f'[{{"time":{NOW_MS}}},{{"time":null}},{{"time":"x"}},{{"time":{2 * NOW_MS}}},{{"time":{NOW_MS + 1}}}]'
    decoded = decoder(LAYOUTS["flat"]).decode([value.encode()], [b"pump-1"], [9], [NOW_MS])
    assert [(d.index, d.reason) for d in decoded.dead] == [
        (1, Reason.MISSING_TIME),
        (2, Reason.BAD_TIME),
        (3, Reason.FUTURE_TIME),
    ]
    assert decoded.readings.position.tolist() == [9, 9]
    assert np.isnan(decoded.readings.values).all()


def test_a_long_reading_of_a_sensor_that_is_not_ours_is_ignored_but_dead_if_it_is_bad() -> None:
    values = [
        b'{"time":1700000000,"id":"p","meta":{"tag":"humidity"},"value":1}',
        b'{"id":"p","meta":{"tag":"humidity"},"value":1}',
        b'{"time":1700000000,"id":"p","meta":{"tag":"Flow Rate"},"value":2.5}',
    ]
    decoded = decoder(LAYOUTS["long"]).decode(values, [None] * 3, range(3), [-1] * 3)
    assert (decoded.ignored, decoded.received) == (1, 3)
    assert [d.reason for d in decoded.dead] == [Reason.MISSING_TIME]
    np.testing.assert_array_equal(decoded.readings.values, [[math.nan, 2.5, math.nan]])
