"""`make quality`: from a case to rows of a table, on two files of SKAB and on known figures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.quality.bars import Bar, Row, rows
from tests.quality.cases import CASES, LEARNED, nab, normal
from tests.quality.moments import Moment, false_alerts, misses, worst
from tests.quality.page import write
from tests.quality.report import facts, table
from tests.quality.run import Job, measured, run
from tests.real_data.cases import Case, skab
from tests.support.plain_bundle import plain_evaluation
from tests.training.evaluate.test_page import Page


def test_a_case_is_trained_evaluated_and_reported(data: Path, tmp_path: Path) -> None:
    case = Case("skab 2 files", skab(data, ["valve2"]).assets[:2])
    job = Job("skab", 0, 100, data, ("train.max_epochs=1", "model.window=8", "model.hidden=8"))
    done = measured(case, job, tmp_path)
    runs = json.loads(json.dumps([done.figures]))
    assert runs[0]["budget"]["threshold"]["method"] == "budget"
    assert runs[0]["percentile"]["threshold"]["promised"] == 99.0
    assert runs[0]["budget"]["skab_while_open"].keys() == {"f1", "far", "mar"}
    of = {row["figure"]: row for row in facts(runs)["rows"]}
    ranked = of["AUC-ROC"]
    assert 0.5 < ranked["mean"] < 1.0
    assert {"max abs z", "PCA", "isolation forest"} == ranked["floors"].keys()
    assert of["events found of 2"]["mean"] <= 2
    (counted,) = facts(runs)["sets"]
    assert (counted["data"], counted["series"], counted["events"]["events"]) == ("skab", "2", "2")
    assert [row["series"] for row in facts(runs)["series"]] == list(runs[0]["budget"]["detectors"][0]["series"])
    assert table(runs).splitlines()[2 + len(of)] == "", "a row for each figure, below two of heading"


def test_a_case_that_cannot_be_trained_counts_as_nothing_found_beside_its_floors(data: Path, tmp_path: Path) -> None:
    """No sensor moves in the history of this series."""
    (place,) = (at for at, one in enumerate(CASES["smap"](data)) if one.name == "smap D-13")
    done = run(Job("smap", place, 0, data, pictures=True), tmp_path)
    runs = json.loads(json.dumps([done.figures]))
    assert "no sensor moves" in runs[0]["refused"]
    of = {row["figure"]: row for row in facts(runs)["rows"]}
    assert of["VUS-PR"]["mean"] == 0.0
    assert 0.0 < of["VUS-PR"]["floors"]["max abs z"] < 0.1
    assert of["events found of 1"]["verdict"] == "MISSED"
    assert "not true" not in " ".join(of), "it makes no promise and no alert"
    assert table(runs).splitlines()[-1].startswith("smap D-13: not trained, counts as nothing found: ")


def test_missed_events_and_false_alerts_are_drawn_on_a_page(tmp_path: Path) -> None:
    """The event of `c`, which has no score, is missed; `a` has a false alert."""
    of = plain_evaluation(tmp_path)
    moments = {"misses": list(misses("plain", of)), "false alerts": list(false_alerts("plain", of))}
    assert [(one.series, one.frames, one.window) for one in moments["misses"]] == [("c", 10, None)]
    assert [(one.series, one.height, one.frames) for one in moments["false alerts"]] == [("a", 4.0, 2)]
    seen = Page(write(tmp_path, "one seed", [("figure", "ours"), ("VUS-PR", "0.5")], moments).read_text())
    assert all(address.startswith("#") for address in seen.fetched), "only parts of itself"
    assert seen.seen.count("svg") == 3
    assert all(one.what in "".join(seen.text) for found in moments.values() for one in found)


def test_the_worst_are_the_highest_and_the_longest_and_one_of_a_series_by_either() -> None:
    def moment(series: str, height: float, frames: int) -> Moment:
        none = np.zeros(0)
        return Moment("set", series, "", height, frames, none.astype(int), none, none > 0, (), (), None)

    found = [moment("a", 9, 5), moment("a", 8, 90), moment("b", 7, 80), moment("c", 1, 70), moment("c", 0.5, 60)]
    assert worst(found, 4) == [found[0], found[2], found[1], found[3]]
    assert worst(found[:1]) == found[:1]


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
    promise = {"share": share, "alerts": alerts, "weeks": weeks, "promised_per_week": 1.0}
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
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in table(runs).splitlines()]
    assert cells[3] == ["alerts in 0.5 weeks, budget 1 a week; too short to judge", "0", "0", "", "", "", ""]
    assert cells[4][1:] == ["2", "3 1", "", "0.5 to 2", "", "met"]


def test_a_change_is_a_loss_where_it_is_worse_by_more_than_seeds_differ() -> None:
    found, alarms = Row("a", "found", (5.0, 6.0), {}, Bar(3.0)), Row("a", "alarms", (5.0, 6.0), {}, Bar(most=3.0))
    assert [row.change([7.0, 8.0]) for row in (found, alarms)] == ["-2 !", "-2"]
    assert [row.change([6.0, 6.0]) for row in (found, alarms)] == ["-0.5", "-0.5"]
    assert [row.change([3.0, 4.0]) for row in (found, alarms)] == ["+2", "+2 !"]


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
