"""Names, page and next commands of the offline commands; what cannot work is said before the work is done."""

from pathlib import Path
from uuid import uuid4

import pytest

from stream.events.record import encode
from tests.cases.conftest import QUICK, MakeCase
from tests.support.alert_records import incident_view
from tests.support.commands import Narrows
from training.data import memory


def test_a_registry_that_cannot_be_written_is_found_before_the_history_is_read(
    case: MakeCase, narrows: Narrows, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    history = f"{case('c06_names')}/names.parquet"
    refused = narrows("train", "--data", history, "--set", "registry=taken/registry", *QUICK)
    assert refused.code == 1
    assert refused.err.startswith("narrows: registry taken/registry: ")
    assert refused.err.count("\n") == 1


def test_a_history_too_large_for_the_free_memory_is_refused_with_the_numbers_before_it_is_read(
    case: MakeCase, narrows: Narrows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000_000)
    refused = narrows("train", "--data", f"{case('c06_names')}/names.parquet", *QUICK)
    assert refused.code == 1
    assert "need about 0.31 GB of memory, and 0.1 GB are free, enough for about 32% of it; give fewer" in refused.err
    assert "read: " not in refused.err


def test_units_in_brackets_stay_on_the_screen_and_the_page_is_one_of_essentials(
    case: MakeCase, narrows: Narrows
) -> None:
    """`Flow [/h]` of `pump [A]`: from init to the page of the evaluation."""
    folder = case("c06b_brackets")
    assert narrows("init", "--from-file", f"{folder}/u.parquet").code == 0
    trained = narrows("train", "--data", f"{folder}/u.parquet", *QUICK)
    assert trained.code == 0
    assert "Flow [/h], Pressure [bar], Temp [°C]" in trained.out
    assert len(trained.out.splitlines()) <= 20
    follow = [line for line in trained.err.splitlines() if line.startswith("next: ")]
    assert follow == [
        "next: narrows replay --data newer.parquet",
        f"next: narrows evaluate --data labelled.parquet --fit {folder}/u.parquet",
        "next: narrows run",
    ]
    shown = narrows("models", "show")
    assert "Flow [/h], Pressure [bar], Temp [°C]" in shown.out
    assert "separability" in shown.out
    assert "share found, by size" in shown.out
    replayed = narrows("replay", "--data", f"{folder}/n.parquet")
    assert {sensor["name"] for alert in replayed.lines for sensor in alert["sensors"]} >= {"Pressure [bar]"}
    assert "next: narrows feedback " in replayed.err


def test_a_verdict_on_an_alert_that_nobody_knows_is_refused_unless_told_otherwise(
    narrows: Narrows, tmp_path: Path
) -> None:
    """By the alerts that are named, else by the form of an id."""
    known = incident_view("pump-1", 0, 5)
    (tmp_path / "alerts.jsonl").write_bytes(encode(known))
    said = ("false", "--file", "said.jsonl")
    unknown = str(uuid4())
    for alert_id, more in (("nonsense", ()), (unknown, ("--alerts", "alerts.jsonl"))):
        refused = narrows("feedback", alert_id, *said, *more)
        assert refused.code == 1
        assert f"alert '{alert_id}'" in refused.err
        assert "--unchecked" in refused.err
    assert not (tmp_path / "said.jsonl").exists()
    assert narrows("feedback", known.alert_id, *said, "--alerts", "alerts.jsonl").code == 0
    assert narrows("feedback", "nonsense", *said, "--unchecked").code == 0
    assert "not checked" in narrows("feedback", unknown, *said).err
