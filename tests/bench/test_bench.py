"""The benchmark at toy size reports every row and accounts for every reading; rates are not asserted."""

import json
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.bench.race import Race, Row, Size
from tests.bench.report import show, summaries
from tests.support.processes import warm

TOY = Size(series=(16, 60), rounds=(110, 110, 110), sample=800, repetitions=1)


@pytest.fixture(scope="module")
def rows(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return Race(broker.bootstrap, tmp_path_factory.mktemp("bench"), TOY, warm).run()


def test_every_contender_is_reported_with_its_ratios(rows: list[Row]) -> None:
    found = summaries(rows)
    assert [(row["name"], row["series"]) for row in found] == [
        ("raw", 16),
        ("narrows", 16),
        ("narrows at least once", 16),
        ("narrows K=5", 16),
        ("textbook", 16),
        ("raw", 60),
        ("narrows", 60),
        ("raw, long records", 16),
        ("narrows, long records on ticks", 16),
    ]
    assert all(row["readings_per_s"] > 0 for row in found)
    assert [row["of_limit"] for row in found if row["name"].startswith("raw")] == [1.0, 1.0, 1.0]
    assert [row["times_textbook"] for row in found if row["name"] == "textbook"] == [1.0]


def test_every_reading_is_accounted_for(rows: list[Row]) -> None:
    for row in rows:
        (measured,) = row.measured
        count, sent = measured.counts, row.job.readings
        if row.job.contender == "narrows":
            assert count["received"] == count["used"] == sent, row.name
            assert count["used"] == (count["scored"] + count["warming"]) * row.plant.per_frame, row.name
            assert count["warming"] == row.plant.series * (31 + 4), (
                f"{row.name}: W - 1 frames, then M / 2 errors for a level"
            )
            assert row.alerts == [
                sum(count.get(f"incidents.{state}", 0) for state in ("opened", "updated", "resolved"))
            ]
            assert row.alerts[0] > 0, row.name
        else:
            assert count["received"] == (TOY.sample if row.name == "textbook" else sent), row.name


def test_only_exactly_once_writes_snapshots(rows: list[Row]) -> None:
    written = {row.name: row.state_bytes[0] for row in rows if row.state_bytes}
    assert written.pop("narrows at least once") == 0
    assert set(written) == {"narrows", "narrows K=5", "narrows, long records on ticks"}
    assert all(written.values())


def test_a_profile_says_where_narrows_spends_its_time(rows: list[Row], broker: Broker, tmp_path: Path) -> None:
    profile = Race(broker.bootstrap, tmp_path, TOY).profile(next(row for row in rows if row.name == "narrows"))
    assert "decode.py" in profile
    assert "cumtime" in profile


@pytest.mark.parametrize("as_json", [True, False])
def test_figures_come_with_their_conditions(rows: list[Row], as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    show(rows, as_json)
    out = capsys.readouterr().out
    if as_json:
        found = json.loads(out)
        assert [row["name"] for row in found["rows"]] == [row.name for row in rows]
        assert found["conditions"]["messages"] == {"16": 1_760, "60": 6_600, "16-long": 14_080}
    for name in ("kafka", "librdkafka", "torch", "python", "cores", "seed", "repetitions"):
        assert name in out
