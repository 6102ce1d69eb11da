"""Dead letters: the original bytes, the reason, the origin, within the size that a topic takes."""

from stream.events.dead_letter import dead_letters
from stream.intake.columns import Dead, Reason


def test_a_dead_letter_says_the_reason_and_the_origin() -> None:
    dead = Dead(99, 3, Reason.BAD_TIME, "time 'näher' is no time", b"key", b"value")
    (letter,) = dead_letters([dead], "readings", 5)
    assert (letter.key, letter.value) == (b"key", b"value")
    assert dict(letter.headers) == {
        "narrows_reason": b"bad_time",
        "narrows_detail": "time 'näher' is no time".encode(),
        "narrows_topic": b"readings",
        "narrows_partition": b"5",
        "narrows_offset": b"99",
        "narrows_index": b"3",
        "narrows_count": b"1",
    }


def test_a_message_of_many_dead_elements_is_one_letter_for_each_reason() -> None:
    """Otherwise the 3,000 elements of one 9 kB message would be 27 MB of letters."""
    value = b"[" + b"{}," * 3000 + b"{}]"
    dead = [Dead(7, i, Reason.MISSING_TIME if i % 2 else Reason.BAD_TIME, "x", None, value) for i in range(3000)]
    letters = list(dead_letters([*dead, Dead(8, -1, Reason.EMPTY, "x", None, None)], "readings", 0))
    assert [dict(letter.headers)["narrows_count"] for letter in letters] == [b"1500", b"1500", b"1"]
    assert {letter.value for letter in letters} == {value, None}
    assert dict(letters[1].headers)["narrows_index"].startswith(b"1,3,5,")


def test_a_letter_fits_its_topic_and_says_what_was_cut() -> None:
    """The broker's default is 1 MiB, headers included: a longer letter would fail its transaction again and again."""
    (letter,) = dead_letters([Dead(0, -1, Reason.TOO_LARGE, "x", None, b"y" * 1_048_576)], "readings", 0)
    assert letter.value is not None
    assert len(letter.value) + sum(len(k) + len(v) for k, v in letter.headers) < 1_040_000
    assert dict(letter.headers)["narrows_truncated"] == b"1048576"
