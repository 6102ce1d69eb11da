"""Output for people: tables, sentences, durations, and names from strangers."""

import pytest

from stream.messages import printable
from stream.terminal import console, duration, framed_table, plain_table, show


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "1 h"),
        (4320, "1 h 12 min"),
        (86400, "1 d"),
        (270_000, "3 d 3 h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_file_gets_wide_lines_without_colours_and_nothing_is_read_as_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console().print("[red]" + 40 * " word", style="bold")
    console(width=20).print("a" * 30)
    console(quiet=True).print("nothing")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("[red] word")
    assert 150 < len(first) <= 160
    assert [len(line) for line in rest[-2:]] == [20, 10]


def test_a_report_is_a_list_of_sentences_and_tables_after_an_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    table = plain_table(("name", "count"), [("a\x1b[31m", "1"), (":smile:", "10")], right=("count",))
    show(["one", "two"], [table, framed_table("counts", ("name", "count"), [("a", "1")])])
    assert capsys.readouterr().out.splitlines()[:6] == [
        "- one",
        "- two",
        "",
        "name     count",
        "a?[31m       1",
        ":smile:     10",
    ]


def test_a_table_without_headings_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(plain_table(rows=[("sensors", "2")]))
    assert capsys.readouterr().out == "sensors  2\n"


def test_a_control_character_is_shown_as_a_question_mark() -> None:
    assert printable("pump\x1b[2J\n3\u2028é") == "pump?[2J?3?é"


def test_a_pipe_gets_lines_as_wide_as_columns_says_without_blanks_at_their_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    console().print(plain_table(rows=[("sensors", "word " * 20), ("n", "2")]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) in range(30, 41)
    assert [line for line in lines if line != line.rstrip()] == []


def test_whole_numbers_and_their_headings_are_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    console().print(
        framed_table("", ("series", "AUC\nROC", "recall"), [("a long name of it", "0.97", "1.00")], whole=True)
    )
    out = capsys.readouterr().out
    assert all(word in out for word in ("AUC", "ROC", "recall", "0.97", "1.00"))
    assert max(map(len, out.splitlines())) <= 30
