"""Lines for people: whatever names hold, the terminal gets characters that only show."""

import io
import sys

import pytest

from stream.messages import accept_any_character, complain, counted, printable, say, shortened, tell, warn

HOSTILE = "a\x1b[31mb\nc\u200fd\udcffe\xa0f"


def test_control_characters_direction_marks_and_halves_of_surrogates_are_replaced() -> None:
    assert printable(HOSTILE) == "a?[31mb?c?d?e f"
    assert printable("Öl-Temperatur °C 🔥 [/h]") == "Öl-Temperatur °C 🔥 [/h]"


def test_a_message_is_one_line_unless_it_is_said_to_be_more(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    warn("two\nlines")
    complain("two\nfaults:\n  a\n  b")
    tell("a\tb")
    tell("two\nlines", lines=True)
    assert capsys.readouterr() == (
        "a?b\ntwo\nlines\n",
        "a?[31mb?c?d?e f\nwarning: two?lines\ntwo?faults:\n  a\n  b\n",
    )


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


def test_one_thing_is_named_in_the_singular() -> None:
    assert [counted(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]


def test_a_stream_of_few_characters_gets_escapes_instead_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    accept_any_character()
    tell("Öl")
    sys.stdout.flush()
    assert written.getvalue() == b"\\xd6l\n"
