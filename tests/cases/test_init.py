"""The first two commands of a newcomer on every case: what `narrows init` writes is sound, and trains at once."""

import pytest
import yaml

from tests.cases.conftest import MakeCase
from tests.support.commands import Narrows

# What is read and proposed does not depend on how much a model learns; the gate may refuse so small a one.
TINY = ("--set", "train.max_epochs=1", "--set", "model.hidden=4", "--set", "model.window=4")
# Newer data for a replay of another file of their folder.
NEWER = ("n_", "new.", "late_new", "n.", "Q2", "aware", "normal")
GENERATORS = (
    *("c01_dst", "c02_sentinel", "c03_files", "c05_influx", "c06_names", "c06b_brackets", "c07_labels", "c08_types"),
    *("c10_times", "c11_series", "c12_order", "c13_const", "c14_calibrate", "c16_weekly", "c20_late_sensor"),
)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_configuration_that_was_guessed_is_sound_and_trains(case: MakeCase, narrows: Narrows, name: str) -> None:
    """Also where the raw file has sentinels, odd times, integer ids or labels: the guesses say how to read it."""
    for path in sorted(case(name).iterdir()):
        if path.name.startswith(NEWER):
            continue
        started = narrows("init", "--from-file", str(path), "--force")
        assert started.code == 0, (path, started.err)
        assert narrows("config", "check").code == 0, path
        trained = narrows("train", "--data", str(path), *TINY)
        assert trained.code in (0, 4), (path, trained.err)


def written(narrows: Narrows, path: object, *more: str) -> dict[str, dict[str, object]]:
    """The configuration that init writes for a history."""
    assert narrows("init", "--from-file", str(path), "--force", *more).code == 0
    with open("narrows.yaml", encoding="utf-8") as file:
        return dict(yaml.safe_load(file))


def test_values_that_mean_no_value_are_proposed_as_missing(case: MakeCase, narrows: Narrows) -> None:
    found = written(narrows, case("c02_sentinel") / "h.parquet")
    assert found["frames"]["sentinels"] == {"temp": [-9999]}
    assert "sentinels" not in written(narrows, case("c02_sentinel") / "nulls.parquet")["frames"]


@pytest.mark.parametrize(
    ("file", "form", "what"),
    [
        ("yyyymmdd", "yyyymmdd", "2021-01-01T00:00:00Z to 2025-02-08T00:00:00Z"),
        ("excel", "excel", "2025-01-01T00:00:00Z to 2025-01-02T00:59:00Z"),
        ("dayfirst", "day_first", "2025-01-01T00:00:00Z to 2025-01-02T00:59:00Z"),
        ("filetime", "filetime", "2025-01-01T00:00:00Z to 2025-01-02T00:59:00Z"),
        ("cycle", "epoch_s", "a counter, each step of 1 taken as a second"),
        ("ms", None, "milliseconds since 1970, 2025-01-01T00:00:00Z to 2025-01-02T00:59:00Z"),
    ],
)
def test_the_form_of_the_times_is_written_and_shown_with_the_first_and_the_last(
    case: MakeCase, narrows: Narrows, file: str, form: str | None, what: str
) -> None:
    started = narrows("init", "--from-file", f"{case('c10_times')}/{file}.parquet")
    assert what in started.out
    assert (f"input.time_format = {form}" in started.out) == (form is not None)
    assert ("warning: " in started.err and "is a guess" in started.err) == (form is not None)


@pytest.mark.parametrize(("file", "column"), [("intid", "device_id"), ("wtg", "WTG"), ("cmapss", "unit_number")])
def test_the_series_column_is_written_and_its_series_are_counted_and_named(
    case: MakeCase, narrows: Narrows, file: str, column: str
) -> None:
    started = narrows("init", "--from-file", f"{case('c11_series')}/{file}.parquet")
    assert f"input.series = {column}" in started.out
    assert ("20 series: 1, 10, 11" if file == "cmapss" else "3 series: 101, 102, 103") in started.out


def test_unlike_steps_are_resampled(case: MakeCase, narrows: Narrows) -> None:
    found = written(narrows, case("c11_series") / "rates.parquet")
    assert (found["frames"]["resample"], found["frames"]["interval"]) == ("mean", "10m")


def test_the_label_is_written_and_what_in_it_means_anomalous(case: MakeCase, narrows: Narrows) -> None:
    """1 and -1 name neither: the rarer is proposed, with a warning."""
    found = written(narrows, case("c07_labels") / "swat.parquet")["input"]
    assert (found["label"], "anomalous" in found, found["sensors"]) == (
        "Normal/Attack", False, ["flow", "pressure", "temp"],
    )  # fmt: skip
    started = narrows("init", "--from-file", f"{case('c07_labels')}/sk.parquet", "--force")
    assert "input.anomalous = [-1]" in started.out
    assert "which values of label mean anomalous is a guess" in started.err


def test_files_that_follow_one_another_are_proposed_as_one_asset(case: MakeCase, narrows: Narrows) -> None:
    started = narrows("init", "--from-file", str(case("c14_calibrate")), "--force")
    assert "input.series_name = c14_calibrate" in started.out.replace(case("c14_calibrate").name, "c14_calibrate")
    assert "2 files follow one another in time, as those of one asset do; null where each is an asset" in started.err
    assert "series_name" not in written(narrows, case("c14_calibrate") / "Q1.parquet")["input"]
