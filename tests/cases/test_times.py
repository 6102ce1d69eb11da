"""Times as people store them are understood, or refused with the setting to write; init proposes it."""

import pytest
import yaml

from stream.intake.tables.reader import Hints, discover, read
from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows

UTC = ("2025-01-01T00:00:00Z", "2025-01-02T00:59:00Z")
# File of the case, the settings that it needs, and the first and last time that they give.
SETTINGS: dict[str, tuple[dict[str, str], tuple[str, str]]] = {
    "yyyymmdd": ({"time_format": "yyyymmdd"}, ("2021-01-01T00:00:00Z", "2025-02-08T00:00:00Z")),
    "yyyymmddhhmmss": ({"time_format": "yyyymmddhhmmss"}, UTC),
    "excel": ({"time_format": "excel"}, UTC),
    "filetime": ({"time_format": "filetime"}, UTC),
    "dayfirst": ({"time_format": "day_first"}, UTC),
    "datetime_cols": ({"time": "Time", "date": "Date"}, UTC),
    "cycle": ({"time_format": "epoch_s"}, ("1970-01-01T00:00:00Z", "1970-01-01T00:24:59Z")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_times_that_cannot_be_are_refused_with_the_settings_that_init_writes(
    case: MakeCase, narrows: Narrows, name: str
) -> None:
    data, (wanted, (first, last)) = f"{case('c10_times')}/{name}.parquet", SETTINGS[name]
    refused = narrows("train", "--data", data)
    assert (refused.code, refused.out) == (1, "")
    for setting, value in wanted.items():
        assert f"`input.{setting}: {value}`" in refused.err
    begun = narrows("init", "--from-file", data)
    assert begun.code == 0
    assert "warning: " in begun.err
    assert f"{name}.parquet: the form of the times is a guess: " in begun.err
    with open("narrows.yaml", encoding="utf-8") as file:
        written = yaml.safe_load(file)["input"]
    assert wanted.items() <= written.items()
    layout = discover(data, Hints(**{key: written.get(key) for key in ("time", "date", "time_format")}))
    assert f"{first} to {last}" in layout.times.note
    assert sum(map(len, read(data, layout))) == 1500


@pytest.mark.parametrize("name", ["ms", "fsec", "offset", "utcsuffix"])
def test_times_that_are_clear_are_read_without_a_word_and_shown_as_dates(
    case: MakeCase, narrows: Narrows, name: str
) -> None:
    begun = narrows("init", "--from-file", f"{case('c10_times')}/{name}.parquet")
    assert begun.code == 0
    assert "warning" not in begun.err
    assert f"{UTC[0]} to {UTC[1]}" in begun.out
    assert "time_format" not in begun.out
    assert "no zone" not in begun.out


def test_training_says_what_the_times_are_and_goes_on_with_the_setting(case: MakeCase, narrows: Narrows) -> None:
    data = f"{case('c10_times')}/dayfirst.parquet"
    trained = narrows("train", "--data", data, "--set", "input.time_format=day_first", *QUICK, "--json")
    assert trained.code == 0
    assert f"the day, the month, the year, such as 31.01.2024, {UTC[0]} to {UTC[1]}" in trained.err
    assert "no zone: UTC is assumed" in trained.data["data"]["columns"]["times"]


def test_summer_time_without_a_zone_is_a_warning_that_names_the_hours_and_the_setting(
    case: MakeCase, narrows: Narrows
) -> None:
    """Wall clocks of Berlin: an hour misses in March, and one comes twice in October. With the zone all is quiet."""
    folder = case("c01_dst")
    local, aware = (
        narrows("init", "--from-file", f"{folder}/{name}.parquet", "--force") for name in ("local", "aware")
    )
    assert "warning" not in aware.err
    assert "no zone" not in aware.out
    assert "UTC is assumed; `input.timezone` names another" in local.out
    assert (
        "the hour 2025-03-30 02:00 is missing and the hour 2025-10-26 02:00 comes twice, as in Europe/Berlin"
        in local.err
    )
    zoned = narrows(
        "init", "--from-file", f"{folder}/local.parquet", "--force", "--set", "input.timezone=Europe/Berlin"
    )
    assert "warning" not in zoned.err
    assert "2025-03-20T00:00:00Z to 2025-11-09T23:50:00Z" in zoned.out
