"""The units of a history: wild values, sentinels, and sensors that stand still or are absent where the model learns."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.cases.conftest import QUICK, MakeCase
from tests.support.commands import Narrows


def trained(narrows: Narrows, data: Path, *settings: str) -> dict[str, Any]:
    """The facts of a bundle that the gate let pass."""
    result = narrows("train", "--data", str(data), "--json", *QUICK, *settings)
    assert result.code == 0, result.err
    facts: dict[str, Any] = result.data
    assert "candidate" in facts["aliases"]
    return facts


def found(narrows: Narrows, data: Path) -> list[str]:
    """The first sensor of each incident in newer readings, by the bundle that was trained last."""
    result = narrows("replay", "--data", str(data), "--bundle", "candidate", "--json")
    assert result.code == 0, result.err
    return [event["sensors"][0]["name"] for event in result.lines if event["state"] == "opened"]


def units(facts: dict[str, Any]) -> dict[str, float]:
    """The scale of each sensor in the bundle, pooled over its series."""
    rows = pq.read_table(Path(facts["bundle"]) / "series.parquet").to_pylist()
    return {facts["sensors"][row["sensor"]]: row["scale"] for row in rows if row["series"] == ""}


@pytest.mark.parametrize(
    ("sentinels", "wild"), [("{temp: []}", {"temp": 42}), ("{temp: [-9999]}", {})], ids=["called real", "missing"]
)
def test_sentinels_do_not_set_the_unit(case: MakeCase, narrows: Narrows, sentinels: str, wild: dict[str, int]) -> None:
    """83 of 6,000 values are -9999. The scale is that of the history with nulls, 1.4, and not 1,089."""
    folder = case("c02_sentinel")
    clean = units(trained(narrows, folder / "nulls.parquet"))
    facts = trained(narrows, folder / "h.parquet", "--set", f"frames.sentinels={sentinels}")
    assert units(facts)["temp"] == pytest.approx(clean["temp"], rel=0.01)
    assert facts["data"].get("wild", {}) == wild
    if not wild:
        assert found(narrows, folder / "new.parquet") == ["temp"]


def test_the_unit_is_that_of_nulls_to_the_bit_where_sentinels_are_missing(case: MakeCase, narrows: Narrows) -> None:
    folder = case("c02_sentinel")
    set_to = ("--set", "frames.sentinels={temp: [-9999]}")
    both = [trained(narrows, folder / name, *set_to) for name in ("nulls.parquet", "h.parquet")]
    assert units(both[0]) == units(both[1])
    assert both[0]["threshold"] == both[1]["threshold"]


def test_a_sensor_that_has_no_value_where_the_model_learns_is_left_out_and_named(
    case: MakeCase, narrows: Narrows
) -> None:
    """With mean 0 and scale 1 it would be clipped at 40 as at 80, and its arrival would inflate the threshold."""
    folder = case("c20_late_sensor")
    facts = trained(narrows, folder / "late.parquet")
    assert facts["sensors"] == ["flow", "pressure", "temp"]
    (why,) = facts["data"]["unwatched"].values()
    assert why == "no value in the 3,539 frames to fit on; it has values from 2025-01-04T04:40:00Z on"
    assert facts["threshold"]["q"] < 3.0
    newer = pd.read_parquet(folder / "late_new.parquet")
    newer.loc[300:, "flow"] += 20.0
    newer.to_parquet("fault.parquet", index=False)
    assert found(narrows, Path("fault.parquet")) == ["flow"]


def test_a_sensor_that_one_asset_lacks_has_the_unit_of_the_others(case: MakeCase, narrows: Narrows) -> None:
    late = pd.read_parquet(case("c20_late_sensor") / "late.parquet")
    other = late.assign(machine="P2", vib=40 + late["flow"] % 1)
    pd.concat([late, other]).to_parquet("both.parquet", index=False)
    facts = trained(narrows, Path("both.parquet"))
    assert facts["sensors"] == ["flow", "pressure", "temp", "vib"]
    assert units(facts)["vib"] < 1.0


def test_sensors_that_stand_still_are_named_and_seen_when_they_move(case: MakeCase, narrows: Narrows) -> None:
    """In a unit of 1 each, a set point that moves from 0.02 to 0.03 is nothing."""
    folder = case("c13_const")
    result = narrows("train", "--data", f"{folder}/h.parquet", *QUICK)
    assert result.code == 0
    for name, value, unit in (("door", "0", "1"), ("setpoint", "0.02", "0.01"), ("code", "5000", "1")):
        why = f"{name}: always {value} in the 1,739 frames to fit on; moves that are small against {unit} are not seen"
        assert why in result.err
        assert f"stands still  {why}" in result.out
    assert "any move opens an incident by a range: `rules.sensors: {door: {valid: [-1.0e-06, 1.0e-06]}}`" in result.err
    for name in ("door", "setpoint", "code", "flow"):
        assert name in found(narrows, folder / f"n_{name}.parquet")


def test_a_rule_on_a_sensor_that_has_no_value_is_refused(case: MakeCase, narrows: Narrows) -> None:
    setting = "rules.sensors={vib: {direction: above}}"
    result = narrows("train", "--data", f"{case('c20_late_sensor')}/late.parquet", "--set", setting)
    assert result.code == 2
    assert "rules.sensors.vib: reads vib, which has no value in the 3,539 frames to fit on; " in result.err
    assert "take vib out of this setting, or give a history in which it has values" in result.err
