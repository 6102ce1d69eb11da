"""One machine in files without a column of series: its name is the file's, the bundle's only one, or configured."""

from pathlib import Path

import pandas as pd
import pytest

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows
from tests.support.small_training import made
from training.pipeline import TrainingRun

NAMED = ("--set", "input.series_name=pump-1")
FIXED = ("--set", "threshold.learn=false")


@pytest.fixture(scope="module")
def quarter(case: MakeCase, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of the first quarter; its series is named by the file, `history`."""
    return made(tmp_path_factory.mktemp("quarter"), pd.read_parquet(case("c14_calibrate") / "Q1.parquet"))


def of(bundle: TrainingRun) -> tuple[str, ...]:
    """The options that name a bundle by its registry."""
    version, registry = bundle.manifest.version, bundle.folder.parents[2]
    return ("--bundle", version, "--set", f"registry={registry}", "--set", "detector=pumps")


def test_newer_files_of_one_machine_are_the_only_series_of_the_bundle(
    quarter: TrainingRun, case: MakeCase, narrows: Narrows
) -> None:
    said = "series: no column names it, so all rows are 'history', the only series of the bundle; `input.series_name: "
    for data in ("Q2.parquet", "Q?.parquet"):
        replayed = narrows("replay", "--data", f"{case('c14_calibrate')}/{data}", *of(quarter))
        assert replayed.code == 0
        assert said in replayed.err
        assert "not in training" not in replayed.err
        assert {alert["series"] for alert in replayed.lines} <= {"history"}
    recalibrated = narrows("recalibrate", "--data", f"{case('c14_calibrate')}/Q2.parquet", "--json", *of(quarter))
    assert recalibrated.code == 0, recalibrated.err
    assert said in recalibrated.err
    assert recalibrated.data["data"]["frames"]["unknown_series"] == 0
    assert recalibrated.data["data"]["frames"]["used"] > 7000
    assert recalibrated.data["data"]["notes"][0].startswith("series: no column names it")


def test_labelled_rows_are_the_only_series_of_the_bundle(
    quarter: TrainingRun, case: MakeCase, narrows: Narrows, tmp_path: Path
) -> None:
    rows = pd.read_parquet(case("c14_calibrate") / "Q2.parquet").assign(anomaly=0)
    rows.loc[4000:4100, ["flow", "anomaly"]] = [130.0, 1]
    rows.to_parquet(tmp_path / "X.test.parquet", index=False)
    evaluated = narrows("evaluate", "--data", "X.test.parquet", "--json", *of(quarter))
    assert evaluated.code == 0, evaluated.err
    assert list(evaluated.data["detectors"][0]["series"]) == ["history"]
    assert "so all rows are 'history'" in evaluated.data["notes"][0]


def test_a_setting_names_the_one_series_of_all_files(case: MakeCase, narrows: Narrows) -> None:
    folder = case("c14_calibrate")
    trained = narrows("train", "--data", f"{folder}/Q1.parquet", "--json", *NAMED, *FIXED, *QUICK)
    assert trained.code == 0
    assert "series pump-1 (`input.series_name` names all rows)" in trained.err
    recalibrated = narrows("recalibrate", "--data", f"{folder}/Q2.parquet", "--json", *NAMED)
    assert recalibrated.code == 0, recalibrated.err
    assert [one["series"] for one in recalibrated.data["by_series"]] == ["pump-1"]
    known = ("--set", "input.unknown_series=refuse")
    replayed = narrows("replay", "--data", f"{folder}/Q?.parquet", *NAMED, *known)
    assert "received 16,000" in replayed.err
    assert "dead" not in replayed.err


def test_training_names_the_series_of_a_file_and_tells_files_that_follow_one_another(
    case: MakeCase, narrows: Narrows
) -> None:
    folder = case("c14_calibrate")
    alone = narrows("train", "--data", f"{folder}/Q1.parquet", *QUICK)
    assert "series: 'Q1', named by its file; `input.series_name: NAME` names it as its messages do" in alone.err
    both = narrows("train", "--data", f"{folder}/Q?.parquet", "--json", *QUICK)
    assert both.data["data"]["series"] == 2
    assert "warning: 2 series, each named by its file, follow one another in time" in both.err
    assert "if they are one, set `input.series_name: NAME`" in both.err


def test_a_span_that_excludes_nothing_is_told_of(
    quarter: TrainingRun, case: MakeCase, narrows: Narrows, tmp_path: Path
) -> None:
    (tmp_path / "spans.yaml").write_text(
        "- {series: histroy, start: 2025-01-08T00:00:00Z, end: 2025-01-08T01:00:00Z}\n"
        "- {series: history, start: 2024-01-08T00:00:00Z, end: 2024-01-08T01:00:00Z}\n"
        "- {series: history, start: 2025-01-08T00:00:00Z, end: 2025-01-08T01:00:00Z}\n"
    )
    newer = ("recalibrate", "--data", f"{case('c14_calibrate')}/Q2.parquet", "--dry-run", *of(quarter))
    done = narrows(*newer, "--exclude", "spans.yaml")
    assert done.code == 0
    assert "warning: --exclude: no reading is of series 'histroy'; close to it: history\n" in done.err
    assert (
        "warning: --exclude: spans that cover no reading: 1, history 2024-01-08T00:00:00Z to 2024-01-08T01:00:00Z; "
        "the readings are from 2025-01-07T00:00:00Z to 2025-01-12T13:19:00Z" in done.err
    )
