"""Files of feedback: what is written is read, and what is no feedback is named with its place."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest

from stream.errors import ConfigError, DataError
from stream.events.event_files import append, read_feedback
from stream.events.people.feedback import Judgements
from stream.events.record import encode
from tests.stream.events.people.test_feedback import ENTRIES


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "parquet with times"])
def test_lines_csv_and_parquet_hold_the_same(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"said.{kind.partition(' ')[0]}"
    table = pd.DataFrame([msgspec.structs.asdict(entry) for entry in ENTRIES]).assign(ticket=7)
    if kind == "jsonl":
        for entry in ENTRIES:
            append(path, entry)
    elif kind == "csv":
        table.to_csv(path, index=False)
    else:
        if kind == "parquet with times":
            table["at"] = pd.to_datetime(table["at"], format="ISO8601")
        table.to_parquet(path, index=False)
    said = read_feedback(path)
    assert [(e.alert_id, e.verdict, e.by, e.note) for e in said] == [
        (e.alert_id, e.verdict, e.by, e.note) for e in ENTRIES
    ]
    assert Judgements.of({}, said).verdicts["one"].verdict == "confirmed"


def test_a_line_that_was_cut_short_does_not_swallow_the_next_entry(tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    path.write_bytes(encode(ENTRIES[0]))
    append(path, ENTRIES[1])
    assert read_feedback(path) == ENTRIES[:2]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"alert_id": "x", "verdict": "false"}\n{"alert_id": "x", "verdict": "no"}', r"a\.jsonl:2: .*'no'"),
        ("a.jsonl", '{"alert_id": "", "verdict": "false"}', r"a\.jsonl:1: not feedback, expected {alert_id"),
        ("a.jsonl", '{"alert_id": "x", "verdict": "false", "at": "noon"}', r"a\.jsonl:1: at: 'noon' is no time"),
        ("a.csv", "alert_id,verdict\nx,false\n,false\n", r"a\.csv, row 2: .*alert_id"),
        ("a.csv", "id,verdict\nx,false\n", r"a\.csv: has columns \['id', 'verdict'\], not \['alert_id'\]"),
        ("a.parquet", "no table", r"a\.parquet: cannot be read"),
        ("absent.jsonl", None, r"absent\.jsonl: No such file"),
    ],
)
def test_what_is_no_feedback_is_named_with_its_place(name: str, text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        read_feedback(tmp_path / name)


def test_tables_are_read_and_not_added_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"name a file that ends in \.jsonl"):
        append(tmp_path / "said.csv", ENTRIES[0])
