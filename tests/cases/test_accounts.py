"""Assets that are never scored are named by every command, with the setting that would help."""

import json
from pathlib import Path

import pandas as pd

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows

SHORT = (
    "warning: never scored: 'B': 0 of 10 frames scored, 10 warming: the first score needs 33 frames in a row (W = 32, "
    "M = 3); it is scored once it has sent as many"
)


def test_an_asset_of_ten_rows_is_named_and_lets_the_gate_pass(case: MakeCase, narrows: Narrows) -> None:
    """Nothing is set wrong: online it is scored once it has sent enough."""
    data = f"{case('c11_series')}/short.parquet"
    trained = narrows("train", "--data", data, *QUICK, "--json")
    assert trained.code == 0
    assert SHORT in trained.err
    (coverage,) = [one for one in trained.data["metrics"]["gate"]["criteria"] if one["name"] == "coverage"]
    assert (coverage["verdict"], "never scored: 'B'" in coverage["said"]) == ("passed", True)
    replayed = narrows("replay", "--data", data, "--accounts", "accounts.jsonl", "--json")
    assert SHORT in replayed.err
    accounts = [json.loads(line) for line in Path("accounts.jsonl").read_text().splitlines()]
    assert [(one["series"], one["frames"], one["scored"], one["cause"]) for one in accounts] == [
        ("A", 1500, 1468, ""), ("B", 10, 0, "short"),
    ]  # fmt: skip
    assert all(one["frames"] == one["scored"] + one["warming"] + one["degraded"] + one["off"] for one in accounts)


def test_an_asset_that_its_settings_keep_from_being_scored_is_refused_by_the_gate(
    case: MakeCase, narrows: Narrows
) -> None:
    """B reports every ten minutes, and a gap is set to be two: it warms up for ever."""
    data = f"{case('c11_series')}/rates.parquet"
    trained = narrows("train", "--data", data, *QUICK, "--set", "frames.max_gap=2m")
    assert trained.code == 4
    assert "coverage: 1 of 2 series are never or hardly scored" in trained.err
    assert "'B': 0 of 150 frames scored, 150 warming: gaps above 2m (`frames.max_gap`) leave runs of 1" in trained.err
    assert "`frames.max_gap: 20m`" in trained.err


def test_evaluate_shows_what_became_of_each_series(case: MakeCase, narrows: Narrows) -> None:
    data = case("c11_series") / "short.parquet"
    assert narrows("train", "--data", str(data), *QUICK).code == 0
    rows = pd.read_parquet(data)
    rows["label"] = (rows.index % 500 > 480).astype(int)
    rows.to_parquet("labelled.parquet", index=False)
    table = narrows("evaluate", "--data", "labelled.parquet", "--report", "page.html")
    assert table.code == 0
    assert "Never scored: 'B': 0 of 10 frames scored" in table.out
    assert "series with frames that lack a score" in table.out
    assert "the first score needs 33 frames in a row" in Path("page.html").read_text()
