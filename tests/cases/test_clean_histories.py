"""A history without a fault: trained, replayed, and no word about it that it does not deserve."""

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows


def test_a_history_with_nulls_trains_and_finds_the_fault_in_newer_readings(case: MakeCase, narrows: Narrows) -> None:
    """The control of the case with sentinels: 83 missing values, then a fault of 50 deviations."""
    folder = case("c02_sentinel")
    assert narrows("train", "--data", f"{folder}/nulls.parquet", *QUICK).code == 0
    replayed = narrows("replay", "--data", f"{folder}/new.parquet", "--json")
    assert replayed.code == 0
    assert [alert["state"] for alert in replayed.lines][:1] == ["opened"]
    assert replayed.lines[0]["sensors"][0]["name"] == "temp"
