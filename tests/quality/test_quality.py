"""`make quality`: from a case to rows of a table, on two files of SKAB and on known figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.quality.cases import LEARNED, nab, normal
from tests.quality.report import Bar, facts, rows, table
from tests.quality.run import Job, measured
from tests.real_data.cases import Case, skab


def test_a_case_is_trained_evaluated_and_reported(data: Path, tmp_path: Path) -> None:
    case = Case("skab 2 files", skab(data, ["valve2"]).assets[:2])
    job = Job("skab", 0, 100, data, ("train.max_epochs=1", "model.window=8", "model.hidden=8"))
    runs = json.loads(json.dumps([measured(case, job, tmp_path)]))
    assert runs[0]["budget"]["threshold"]["method"] == "budget"
    assert runs[0]["percentile"]["threshold"]["promised"] == 99.0
    assert runs[0]["budget"]["skab_while_open"].keys() == {"f1", "far", "mar"}
    of = {row["figure"]: row for row in facts(runs)}
    ranked = of["AUC-ROC"]
    assert 0.5 < ranked["mean"] < 1.0
    assert {"max abs z", "isolation forest", "random"} <= ranked["floors"].keys()
    assert of["events found of 2, budget 1 a week"]["mean"] <= 2
    assert len(table(runs).splitlines()) == 2 + len(of)


def test_nab_is_learned_from_its_probation_and_normal_data_are_met_once_seventy_per_cent_are_learned(
    data: Path,
) -> None:
    for asset in nab(data).assets:
        assert len(asset.history) == min(int(0.15 * len(asset.live)), 750)
        assert asset.history.equals(asset.live.slice(0, len(asset.history))), "judged is the whole"
    for case in normal(data):
        (asset,) = case.assets
        assert len(asset.history) == int(LEARNED * (len(asset.history) + len(asset.live)))
        assert not asset.live["anomaly"].to_numpy().any()


def a_run(case: str, seed: int, share: float, alerts: int, weeks: float) -> dict[str, Any]:
    promise = {"share": share, "alerts": alerts, "weeks": weeks}
    return {
        "group": "normal",
        "case": case,
        "seed": seed,
        "budget": {"promise": promise},
        "percentile": {"promise": promise},
    }


def test_a_promise_is_held_against_its_bar_and_too_few_weeks_against_none() -> None:
    runs = [a_run("short", 0, 0.01, 0, 0.5), a_run("long", 0, 0.03, 5, 3.0), a_run("long", 1, 0.01, 3, 3.0)]
    short, _, long, alerts = rows(runs)
    assert (short.values, alerts.values) == ((1.0,), (5.0, 3.0))
    assert long.values == pytest.approx((3.0, 1.0))
    assert alerts.bar == Bar(most=6.0)
    lines = table(runs).splitlines()
    assert lines[3].endswith("too short to judge | 0 | 0 |  |  |  |")
    assert lines[4].endswith("| 2 | 3 1 |  | 0.5 to 2 | met |")


@pytest.mark.parametrize(
    ("bar", "value", "met", "text"),
    [
        (Bar(0.5), 0.5, True, ">= 0.5"),
        (Bar(0.5), 0.49, False, ">= 0.5"),
        (Bar(most=14), 14.1, False, "<= 14"),
        (Bar(0.5, 2.0), 2.0, True, "0.5 to 2"),
    ],
)
def test_a_bar_is_met_or_not(bar: Bar, value: float, met: bool, text: str) -> None:
    assert (bar.met(value), str(bar)) == (met, text)
