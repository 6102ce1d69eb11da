"""Histories with values that are no measurements, and with odd sensors, through the commands."""

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows


def test_a_history_with_sentinels_is_refused_with_the_setting_that_makes_them_missing(
    case: MakeCase, narrows: Narrows
) -> None:
    """83 of 6,000 values are -9999. The setting of the message is enough: then the fault in newer readings is found."""
    folder = case("c02_sentinel")
    refused = narrows("train", "--data", f"{folder}/h.parquet", *QUICK)
    assert refused.code == 1
    for told in ("h.parquet", "temp", "-9999 in 1.38% of the values", "83 rows, first 2025-01-01T21:51:00Z"):
        assert told in refused.err
    assert "`frames.sentinels: {temp: [-9999]}`" in refused.err
    assert (
        narrows("train", "--data", f"{folder}/h.parquet", *QUICK, "--set", "frames.sentinels={temp: [-9999]}").code == 0
    )
    replayed = narrows("replay", "--data", f"{folder}/new.parquet", "--json")
    assert replayed.lines[0]["sensors"][0]["name"] == "temp"


def test_sensors_that_stand_still_and_a_register_that_starts_over_are_named(case: MakeCase, narrows: Narrows) -> None:
    trained = narrows("train", "--data", f"{case('c13_const')}/h.parquet", *QUICK)
    assert "energy: counter, only rises: 49 of 2999 moves go the other way, each time to start over" in trained.out
