"""Exports in any order: newest first, files that sort by name, overlapping files, one file twice, blocks per field."""

import re

import pandas as pd
import pytest

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows, Result
from tests.support.small_training import made
from training.pipeline import TrainingRun


@pytest.fixture(scope="module")
def trained(case: MakeCase, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A bundle of the same history, in order."""
    return made(tmp_path_factory.mktemp("trained"), pd.read_parquet(case("c12_order") / "twice" / "export1.parquet"))


def counts(result: Result) -> dict[str, int]:
    """The counts of readings and frames that a replay says."""
    return {name: int(number.replace(",", "")) for name, number in re.findall(r"(\w+) ([\d,]+\d|\d)\b", result.err)}


EXPORTS = {
    "desc.parquet": (6000, 0, r"put in order: 5,999 of 6,000 readings stood behind later ones of their series\n"),
    "shuffled.parquet": (6000, 0, r"put in order: 5,986 of 6,000 readings stood behind later ones"),
    "months": (6000, 0, r"2,000 of 6,000 readings .*; files that begin before one read earlier ends: jan\n"),
    "twice": (12_000, 6000, r"warning: 6,000 of 12,000 readings are left out: 0 late, 6,000 duplicate"),
    "overlap": (5775, 15, r"12 of 5,775 readings .* ends: d1, d2, d3\n"),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_in_any_order_is_replayed_as_if_it_were_in_order(
    export: str, trained: TrainingRun, case: MakeCase, narrows: Narrows
) -> None:
    rows, repeated, told = EXPORTS[export]
    data, bundle = case("c12_order") / export, str(trained.folder)
    in_order = narrows("replay", "--data", f"{case('c12_order')}/twice/export1.parquet", "--bundle", bundle)
    result = narrows("replay", "--data", str(data), "--bundle", bundle)
    assert result.code == 0
    assert result.lines
    assert re.search(told, result.err)
    assert "input.series" not in result.err
    seen = counts(result)
    assert (seen["received"], seen["used"], seen.get("duplicate", 0)) == (rows, rows - repeated, repeated)
    assert "late" not in seen or seen["late"] == 0
    if export != "overlap":
        same = ("alert_id", "sequence", "score")
        assert [[one[key] for key in same] for one in result.lines] == [
            [one[key] for key in same] for one in in_order.lines
        ]
    if export == "desc.parquet":
        rows_of_file = [5999 - one["source"]["offset"] for one in result.lines]
        assert rows_of_file == [one["source"]["offset"] for one in in_order.lines]


def test_training_says_in_which_order_it_found_a_history(case: MakeCase, narrows: Narrows) -> None:
    trained = narrows("train", "--data", f"{case('c12_order')}/months", "--json", *QUICK)
    assert trained.code == 0
    assert "put in order: 2,000 of 6,000 readings stood behind later ones of their series" in trained.err
    assert trained.data["data"]["columns"]["order"].startswith("2,000 of 6,000 readings")
    assert trained.data["data"]["dispositions"]["used"] == 6000


def test_blocks_of_one_field_after_another_are_put_in_order(case: MakeCase, narrows: Narrows) -> None:
    data = f"{case('c05_influx')}/flux.parquet"
    trained = narrows("train", "--data", data, *QUICK)
    assert trained.code == 0
    replayed = narrows("replay", "--data", data)
    for said in (trained.err, replayed.err):
        assert "put in order: 13,482 of 18,000 readings stood behind later ones of their series" in said
    seen = counts(replayed)
    assert (seen["received"], seen["used"]) == (18_000, 18_000)


def test_an_hour_that_comes_twice_is_late_as_it_is_online(
    case: MakeCase, narrows: Narrows, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Fewer than one reading in a hundred stands behind later ones: the order of the file is that of arrival."""
    data = case("c01_dst") / "local.parquet"
    spring = pd.read_parquet(data).groupby("turbine").head(1500)
    bundle = made(tmp_path_factory.mktemp("wind"), spring).folder
    replayed = narrows("replay", "--data", str(data), "--bundle", str(bundle))
    assert replayed.code == 0
    assert "put in order" not in replayed.err
    seen = counts(replayed)
    assert (seen["received"], seen["late"], seen["duplicate"]) == (67_680, 10, 2)
