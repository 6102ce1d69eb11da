"""`narrows init --from-file`: what it guesses, that it says why, and that what it writes is a sound configuration."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from stream.cli import app as cli
from stream.cli.starting.history import detector_name
from stream.cli.starting.spacing import rate
from stream.errors import ConfigError
from stream.intake.columns import Readings
from stream.intake.tables.layout import discover
from stream.serve.compose import decoder
from stream.settings import Settings, load
from stream.settings.quantities import parse_duration
from stream.settings.starter import Guess, starter, write
from tests.support.builders import a_definition

SECOND = 1_000_000_000


def wide(folder: Path, rows: int = 60, gap_at: int | None = None, labels: str = "int") -> Path:
    """Two sensors, a label, two columns of no use, a reading every 5 s; an hour is missing before row `gap_at`."""
    seconds = 5 * np.arange(rows)
    if gap_at is not None:
        seconds[gap_at:] += 3600
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "timestamp": pd.Timestamp("2026-01-01") + pd.to_timedelta(seconds, unit="s"),
            "flow": random.normal(size=rows),
            "no": random.normal(size=rows),
            "anomaly": np.arange(rows) % 2 if labels == "int" else np.arange(rows) % 2 == 0,
            "changepoint": np.zeros(rows),
            "remark": "fine",
        }
    )
    path = folder / "Pump House 7.parquet"
    table.to_parquet(path)
    return path


def long(folder: Path) -> Path:
    """Two series of two sensors, each sensor every 10 s, the second one 3 s after the first."""
    rows = [
        {"time": 1_767_225_600 + 10 * tick + 3 * which, "series": series, "sensor": sensor, "value": float(tick)}
        for tick in range(30)
        for series in ("p1", "p2")
        for which, sensor in enumerate(("flow", "current"))
    ]
    path = folder / "long.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def init(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["narrows", "init", *arguments])
    with pytest.raises(SystemExit, match=r"^\d*$|None") as caught:
        cli.main()
    return int(caught.value.code or 0)


@pytest.mark.parametrize("labels", ["int", "bool"])
def test_a_wide_file_becomes_a_configuration_that_names_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str
) -> None:
    assert init(monkeypatch, tmp_path, "--from-file", str(wide(tmp_path, labels=labels))) == 0
    settings = load(tmp_path / "narrows.yaml", (), {})
    assert settings.detector == "pump-house-7"
    assert (settings.input.format, settings.input.time, settings.input.label) == ("wide", "timestamp", "anomaly")
    assert list(settings.input.sensors) == ["flow", "no"]
    assert settings.input.exclude == ("changepoint", "remark")
    assert settings.frames.interval == 5 * SECOND
    assert settings.frames.resample == "none"


def test_a_long_file_becomes_a_configuration_with_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert init(monkeypatch, tmp_path, "--from-file", str(long(tmp_path))) == 0
    settings = load(tmp_path / "narrows.yaml", (), {})
    assert (settings.input.format, settings.input.time, settings.input.series) == ("long", "time", "")
    assert (settings.input.sensor, settings.input.value) == ("sensor", "value")
    assert sorted(settings.input.sensors) == ["current", "flow"]
    assert (settings.frames.resample, settings.frames.interval) == ("last", 10 * SECOND)


def test_columns_whose_names_have_dots_are_the_fields_of_those_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that init writes finds them in Parquet again, and reads messages that are as flat as the table."""
    rows = pd.read_parquet(wide(tmp_path)).rename(columns={"timestamp": "meta.at", "flow": "temp.inlet"})
    rows.to_parquet(tmp_path / "dotted.parquet")
    assert init(monkeypatch, tmp_path, "--from-file", str(tmp_path / "dotted.parquet")) == 0
    settings = load(tmp_path / "narrows.yaml", (), {})
    layout = discover(tmp_path / "dotted.parquet", settings.input.hints)
    assert (layout.time, layout.sensors) == ("meta.at", ("temp.inlet", "no"))
    trained = dataclasses.replace(a_definition(), sensors=layout.sensors)
    message = b'{"meta.at": 1767225600000, "temp.inlet": 1.5, "no": 2.5}'
    decoded = decoder(settings, trained).decode([message], [b"p"], [0], [-1])
    assert decoded.readings.values.tolist() == [[1.5, 2.5]]


def test_a_series_column_that_only_its_content_tells_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newer data of one pump alone would not show it: replay must read the column that training read."""
    one = pd.read_parquet(wide(tmp_path)).drop(columns="remark")
    pumps = pd.concat([one.assign(pump=name) for name in ("p1", "p2", "p3")])
    pumps.to_parquet(tmp_path / "pumps.parquet", index=False)
    assert init(monkeypatch, tmp_path, "--from-file", str(tmp_path / "pumps.parquet")) == 0
    settings = load(tmp_path / "narrows.yaml", (), {})
    assert settings.input.series == "pump"
    assert settings.input.exclude == ("changepoint",)
    comment = " ".join((tmp_path / "narrows.yaml").read_text().replace("#", " ").split())
    assert "the only column of text that makes times unique: without it 67% of rows repeat one; Kafka:" in comment


def test_a_sensor_whose_name_no_field_can_have_gets_another_field_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The history is read by its names; a consumer with the same file starts."""
    rows = pd.read_parquet(wide(tmp_path)).rename(columns={"flow": 'flow "a"'})
    rows.to_parquet(tmp_path / "quoted.parquet")
    assert init(monkeypatch, tmp_path, "--from-file", str(tmp_path / "quoted.parquet")) == 0
    assert "no field of a message can be called 'flow \"a\"'" in capsys.readouterr().err
    settings = load(tmp_path / "narrows.yaml", (), {})
    assert settings.input.sensors == {'flow "a"': "flow _a_", "no": "no"}
    layout = discover(tmp_path / "quoted.parquet", settings.input.hints)
    assert layout.columns_of(layout.sensors) == ('flow "a"', "no")
    trained = dataclasses.replace(a_definition(), sensors=layout.sensors)
    message = b'{"timestamp": 1767225600000, "flow _a_": 1.5, "no": 2.5}'
    assert decoder(settings, trained).decode([message], [b"p"], [0], [-1]).readings.values.tolist() == [[1.5, 2.5]]


def test_a_producer_that_is_there_is_kept_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "produce.py").write_text("mine")
    assert init(monkeypatch, tmp_path, "--from-file", str(wide(tmp_path)), "--producer", "produce.py") == 2
    assert "produce.py exists; name another with --producer, or overwrite it with --force" in capsys.readouterr().err
    assert init(monkeypatch, tmp_path, "--producer", "other.py") == 2
    assert "--producer: no layout is known; add --from-file" in capsys.readouterr().err
    assert not (tmp_path / "narrows.yaml").exists()


def test_every_guess_stands_in_the_file_below_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init(monkeypatch, tmp_path, "--from-file", str(wide(tmp_path, gap_at=30)), "-o", "mine.yaml")
    lines = [line.strip() for line in (tmp_path / "mine.yaml").read_text().splitlines()]
    for key in ("detector:", "format:", "time:", "series:", "sensors:", "label:", "exclude:", "interval:"):
        at = next(number for number, line in enumerate(lines) if line.startswith(key))
        comment = " ".join(line for line in lines[max(0, at - 4) : at] if line.startswith("#"))
        assert "# guessed: " in comment, key
        assert len(comment.rpartition("# guessed: ")[2]) > 5, key
    assert "longer than 1.5 of it (gaps): 1, the longest 3605s" in " ".join(lines)


def test_the_guesses_can_be_had_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init(monkeypatch, tmp_path, "--from-file", str(wide(tmp_path)), "--json")
    out, err = capsys.readouterr()
    guesses: list[dict[str, Any]] = json.loads(out)
    assert {"path": "input.sensors", "value": ["flow", "no"]}.items() <= next(
        g for g in guesses if g["path"] == "input.sensors"
    ).items()
    assert "narrows config check -c narrows.yaml" in err


def test_a_file_that_is_there_is_kept_unless_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "narrows.yaml").write_text("detector: mine\n")
    assert init(monkeypatch, tmp_path) == 2
    assert "narrows.yaml exists; name another with --output, or overwrite it with --force" in capsys.readouterr().err
    assert (tmp_path / "narrows.yaml").read_text() == "detector: mine\n"
    assert init(monkeypatch, tmp_path, "--force") == 0
    assert load(tmp_path / "narrows.yaml", (), {}) == Settings()


def test_data_that_are_not_there_are_an_error_and_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(monkeypatch, tmp_path, "--from-file", "nowhere.parquet") == 1
    assert "nowhere.parquet" in capsys.readouterr().err
    assert not (tmp_path / "narrows.yaml").exists()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"narrows\.yaml: No such file or directory; name a file that can be written"):
        write(tmp_path / "nowhere" / "narrows.yaml", starter(), force=False)


def test_the_starter_file_without_guesses_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "narrows.yaml"
    write(path, starter(), force=False)
    assert load(path, (), {}) == Settings()


@pytest.mark.parametrize("name", ["no", "2026-01-01", "a: b", "# c", "ä\n", "'\"", "1e5", "0x10", "null", "*x"])
def test_any_sensor_name_survives_the_way_through_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "narrows.yaml"
    reason = "a column\nof numbers " * 20
    write(path, starter([Guess("input.sensors", [name, "b"], reason), Guess("input.time", name, reason)]), force=False)
    settings = load(path, (), {})
    assert list(settings.input.sensors) == [name, "b"]
    assert settings.input.time == name
    assert max(map(len, path.read_text().splitlines())) < 121


def test_a_guess_at_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"guessed input\.tiem, which `narrows config table` does not list"):
        starter([Guess("input.tiem", "x", "y")])


def readings(seconds: list[float], series: list[int]) -> Readings:
    time = (np.array(seconds) * SECOND).astype(np.int64)
    return Readings(("a", "b"), np.array(series, np.int32), time, np.zeros((len(time), 1)), np.arange(len(time)))


def test_the_rate_is_the_median_step_within_a_series_whatever_the_order() -> None:
    spacing = rate([readings([0, 2, 100, 104, 4, 6], [0, 0, 1, 1, 0, 0]), readings([108, 8, 20], [1, 0, 0])])
    assert spacing is not None
    # a: 2 2 2 2 12; b: 4 4. The sixth of seven is 4, so the median is 2 and 3 are longer than 3 s.
    assert (spacing.interval_ns, spacing.steps, spacing.gaps, spacing.longest_ns) == (2 * SECOND, 7, 3, 12 * SECOND)


@pytest.mark.parametrize("seconds", [[], [5.0], [5.0, 5.0]])
def test_without_two_times_there_is_no_rate(seconds: list[float]) -> None:
    assert rate([readings(seconds, [0] * len(seconds))]) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/Pump 7.parquet", "pump-7"),
        ("data/pumps/*.parquet", "pumps"),
        ("machine-1-2.train.parquet", "machine-1-2.train"),
        ("*.parquet", "detector"),
        ("Ärger__/", "rger"),
        ("/", "detector"),
    ],
)
def test_a_detector_is_named_after_its_data(path: str, name: str) -> None:
    assert detector_name(path) == name


def test_an_interval_that_was_guessed_reads_back_to_the_nanosecond(tmp_path: Path) -> None:
    text = starter([Guess("frames.interval", "1234567ns", "odd")])
    assert parse_duration(yaml.safe_load(text)["frames"]["interval"]) == 1_234_567
