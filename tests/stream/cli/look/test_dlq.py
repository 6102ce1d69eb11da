"""`narrows dlq` on a real broker: dead letters counted, shown, and sent again."""

import base64
from collections import Counter

import pytest
from confluent_kafka import Producer

from deploy.kafka.broker import Broker
from tests.conftest import MakeTopic
from tests.stream.cli.look.conftest import BAD
from tests.support.commands import Narrows
from tests.support.live import Live


def letters(served: Live) -> list[dict[str, bytes]]:
    return [dict(record.headers) for record in served.read(served.dead)]


def test_the_list_counts_every_letter_by_reason_with_the_newest_of_each(narrows: Narrows, served: Live) -> None:
    expected = Counter(letter["narrows_reason"].decode() for letter in letters(served))
    groups = narrows("dlq", "list", "--json").data["groups"]
    assert {group["reason"]: group["letters"] for group in groups} == expected
    assert all(sum(group["by_partition"].values()) == group["letters"] for group in groups)
    shown = narrows("dlq", "list")
    assert shown.out.splitlines()[0] == f"{sum(expected.values())} dead letters (topic {served.dead})"
    assert f"next: narrows dlq show {groups[0]['newest']['place']}" in shown.err
    nothing = narrows("dlq", "list", "--since", "2999-01-01")
    assert (nothing.code, nothing.out) == (0, f"no dead letters (topic {served.dead})\n")


def test_a_letter_is_shown_by_its_place_and_by_its_reason(narrows: Narrows, served: Live) -> None:
    record = next(r for r in served.read(served.dead) if r.value == BAD[1][1])
    (letter,) = narrows("dlq", "show", f"{record.partition}/{record.offset}", "--json").lines
    assert (letter["key"], letter["value"]) == ("pump-2", BAD[1][1].decode())
    assert (letter["reason"], letter["topic"], letter["truncated"]) == ("bad_time", served.input, None)
    text = narrows("dlq", "show", "--reason", "bad_time").out
    assert "'noon' at 'time' is not a time" in text
    assert '  value (25 bytes): {"time": "noon", "s0": 1}' in text
    assert len(narrows("dlq", "show", "--json", "--count", "2").lines) == 2
    gone = narrows("dlq", "show", "0/999999")
    assert (gone.code, gone.out) == (1, "")
    assert "no such dead letter; `narrows dlq list` names those that are there" in gone.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "7"), "'7': expected the place of a dead letter, PARTITION/OFFSET"),
        (("replay", "--reason", "bad"), "--reason 'bad': expected one of empty, too_large"),
        (("replay",), "sends nothing unless it is told what; give places, --reason or --since"),
    ],
)
def test_words_that_choose_nothing_are_an_error_of_usage(narrows: Narrows, words: list[str], message: str) -> None:
    result = narrows("dlq", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_message_that_is_sent_again_keeps_bytes_key_and_partition_and_is_known_if_it_dies_again(
    narrows: Narrows, served: Live
) -> None:
    """A reading that was refused is used once its time can be; one that is no reading dies again, and is left out."""
    known, before = len(served.read(served.dead)), served.read(served.input)
    rehearsed = narrows("dlq", "replay", "--reason", "not_json", "--dry-run", "--json").data
    assert (rehearsed["sent"], rehearsed["dry_run"]) == ({"not_json": 2}, True)
    assert served.read(served.input) == before, "a dry run sends nothing"
    sent = narrows("dlq", "replay", "--reason", "not_json", "--reason", "bad_time")
    assert sent.out == f"sent 3 messages to {served.input}: not_json 2, bad_time 1\n"
    new = [record for record in served.read(served.input) if record not in before]
    places = {(r.key, r.value): r for r in before if (r.key.encode(), r.value) in BAD}
    for record in new:
        first = places[record.key, record.value]
        assert record.partition == first.partition
        assert record.headers == {
            "narrows_replays": b"1", "narrows_origin": f"{served.input}/{first.partition}/{first.offset}".encode()
        }  # fmt: skip
    assert len(new) == 3
    served.expect(3)
    service = served.start()
    served.wait_for_all()
    served.stop(service)
    assert len(served.read(served.dead)) == known + 3
    groups = {group["reason"]: group for group in narrows("dlq", "list", "--json").data["groups"]}
    assert {name: group["died_again"] for name, group in groups.items()} == {"not_json": 2, "bad_time": 1}
    first = places["pump-2", BAD[1][1]]
    assert groups["bad_time"]["newest"]["origin"] == f"{served.input}/{first.partition}/{first.offset}"
    left = narrows("dlq", "replay", "--reason", "not_json", "--dry-run")
    assert left.out.splitlines() == [
        f"would send 2 messages to {served.input}: not_json 2",
        "left out 2, died again: sent again before, and died again; --again takes them too",
    ]
    again = narrows("dlq", "replay", "--reason", "not_json", "--dry-run", "--again", "--json").data
    assert (again["sent"], again["left_out"]) == ({"not_json": 4}, {})


def test_cut_letters_are_refused_and_a_message_goes_out_once(
    narrows: Narrows, broker: Broker, topic: MakeTopic
) -> None:
    """Two letters of one message, of another topic, without text, cut, and a record of somebody else."""
    dead, readings = topic("dead-letters"), topic("readings")
    producer = Producer({"bootstrap.servers": broker.bootstrap})

    def letter(offset: int, value: bytes, **more: str) -> None:
        fields = {"reason": "not_utf8", "detail": "d", "topic": readings, "partition": "0", "offset": str(offset)}
        headers = {f"narrows_{name}": text for name, text in (fields | {"index": "-1", "count": "1"} | more).items()}
        producer.produce(dead, value, b"\xff", headers=list(headers.items()))

    letter(5, b"\xfe", index="0,3", count="2")
    letter(5, b"\xfe", reason="bad_time")
    letter(6, b"x", topic="elsewhere")
    letter(7, b"cut", truncated="2000000")
    producer.produce(dead, b"a stranger")
    assert producer.flush(20) == 0
    where = ("--set", f"kafka.dead_letters={dead}", "--set", f"input.topic={readings}")
    result = narrows("dlq", "replay", "0/0-9", "--json", *where)
    assert result.data["sent"] == {"not_utf8": 1}
    assert result.data["left_out"] == {"the same message": 1, "of another topic": 1, "truncated": 1}
    assert f"warning: passed over: 1 record of topic '{dead}' that is no dead letter" in result.err
    cut = narrows("dlq", "replay", "0/3", *where)
    assert (cut.code, cut.out) == (1, "")
    assert f"0/3: cut, the letter has not all of the 2,000,000 bytes of the message at {readings}/0/7" in cut.err
    (shown,) = narrows("dlq", "show", "0/0", "--json", *where).lines
    assert (shown["key"], base64.b64decode(shown["value_base64"])) == (None, b"\xfe")
    text = narrows("dlq", "show", "0/0", *where).out
    assert "elements: 0,3 (2 of the array)" in text
    assert "value (1 bytes): \\xfe" in text
