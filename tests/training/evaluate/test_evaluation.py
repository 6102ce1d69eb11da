"""Evaluation: figures computed by hand, the path of `narrows replay`, baselines on the same frames, the summary."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stream.counters import Count
from stream.events.alert import Alert
from stream.intake.tables.reader import Hints
from stream.replay import layout_for, replay
from stream.settings.detection import Parts, ThresholdSettings
from tests.support.options import fit_options, train_options
from tests.support.plain_bundle import FRAMES, LABELLED, labelled_rows, normal_rows, plain_bundle, plain_evaluation
from tests.support.small_training import QUICK, a_history, made, options
from training.data.spans import Span
from training.demo import fleet
from training.evaluate import facts as evaluation_facts
from training.evaluate.evaluation import Bundle, Evaluation, EvaluationOptions, evaluate
from training.evaluate.figures import GroundTruth, alert_class
from training.evaluate.labelled import score_labelled
from training.evaluate.summary import sentences
from training.metrics.floors import FLOORS
from training.options import TrainOptions

TOPS = {
    "data", "label", "bundle", "version", "detector", "threshold", "readings", "frames", "unscored", "events",
    "grace_frames", "detectors", "floors", "by_length", "labelled_events", "promise", "curve", "alerts", "accounts",
    "notes",
}  # fmt: skip


def facts(of: Evaluation) -> dict[str, Any]:
    """The JSON of `narrows evaluate`."""
    plain: dict[str, Any] = msgspec.to_builtins(evaluation_facts.facts(of))
    return plain


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The plain bundle on the three labelled series, with baselines fitted on noise."""
    return plain_evaluation(tmp_path_factory.mktemp("plain"))


def test_the_figures_of_a_series_are_those_found_by_hand(measured: Evaluation) -> None:
    """8 of 10 labelled frames and 2 of 90 others score 4, the rest 0.01: areas and incidents follow."""
    a = measured.ours.series["a"]
    assert a.ranking.auc_roc == pytest.approx((0.8 * 89 + 0.2 * 44) / 90)
    assert a.ranking.auc_pr == pytest.approx(0.8 * 0.8 + 0.2 * 0.1)
    assert a.events is not None
    assert (a.events.events, a.events.opened_inside, a.events.incidents, a.events.false) == (1, 1, 2, 1)
    assert (a.events.precision, a.events.recall) == (0.5, 1.0)
    assert a.events.f1 == pytest.approx(2 / 3)
    assert a.events.median_delay_s == 120.0
    assert a.events.false_per_day == pytest.approx(1 / (89 / 1440)), "the event and the frame after it are not normal"


def test_a_series_without_labels_is_in_no_mean_of_areas_and_one_without_scores_counts_as_lowest(
    measured: Evaluation,
) -> None:
    b, c = measured.ours.series["b"], measured.ours.series["c"]
    assert (b.ranking.auc_roc, b.volume.vus_pr) == (None, None)
    assert (c.ranking.auc_roc, c.ranking.auc_pr, c.ranking.unscored) == (0.5, 0.1, FRAMES)
    a = measured.ours.series["a"].ranking.auc_roc
    assert a is not None
    mean, series = measured.ours.mean("auc_roc")
    assert mean == pytest.approx((a + 0.5) / 2)
    assert series == 2
    assert measured.unscored == (FRAMES, 10)
    assert measured.labelled.counts[Count.DEGRADED] == FRAMES


def test_incidents_of_all_series_are_counted_together(measured: Evaluation) -> None:
    found = measured.ours.events
    assert found is not None
    assert (found.events, found.found, found.incidents, found.true, found.false) == (2, 1, 2, 1, 1)
    assert found.normal_days == pytest.approx((89 + 100 + 89) / 1440)


def test_realised_stands_beside_promised(measured: Evaluation) -> None:
    """2 of 189 scored normal frames are above, and one alert opened in 278 normal minutes."""
    promise = measured.promise
    assert (promise.promised_per_week, promise.promised_share) == (2.0, 0.004)
    assert (promise.frames, promise.alerts) == (189, 1)
    assert promise.share == pytest.approx(2 / 189)
    assert promise.per_week == pytest.approx(1 / (278 / 10_080))
    assert promise.in_alarm == pytest.approx(2 / 189), "an alert ends with its first quiet frame"


def test_the_curve_has_the_share_above_each_level_that_calibration_kept(measured: Evaluation) -> None:
    """Normal levels here are 0.01, and 4 twice; those of calibration 0.001 to 1."""
    assert {point.realised for point in measured.curve} == {2 / 189}
    first, last = measured.curve[0], measured.curve[-1]
    assert (first.ratio, first.promised) == pytest.approx((0.5, 0.5))
    assert (last.ratio, last.promised) == pytest.approx((0.999, 0.001))
    shares = [point.promised for point in measured.curve]
    assert shares == sorted(shares, reverse=True)


def test_floors_are_judged_on_the_same_frames_and_labels(measured: Evaluation) -> None:
    assert [one.name for one in measured.figures] == ["narrows", *FLOORS]
    for one in measured.figures[1:]:
        assert {name: (s.frames, s.ranking.labelled) for name, s in one.series.items()} == {
            name: (s.frames, s.ranking.labelled) for name, s in measured.ours.series.items()
        }
        assert one.events is not None
        assert one.events.events == 2


def test_the_alarm_that_never_rests_alarms_in_every_whole_frame_and_finds_no_event(measured: Evaluation) -> None:
    (always,) = (one for one in measured.figures if one.name == "always on")
    assert always.events is not None
    assert (always.events.found, always.events.opened_inside) == (1, 0), "open before the event: met, but not found"


def test_what_speaks_against_the_figures_is_said(measured: Evaluation) -> None:
    said = " ".join(sentences(measured))
    assert "1 of 2 labelled events had an alert open inside, 2 min after its start" in said
    assert "1 of 2 alerts false" in said
    assert "1 of 3 series have labels all alike" in said
    assert "100 of 300 frames had no score (100 degraded), 10 of them labelled" in said
    assert "The baselines learned from other readings than the bundle was trained on" in said
    assert "ranks no worse than ours" in said or "is the best of the baselines" in said
    assert "Too little normal operation to tell" in said


def test_json_has_the_documented_keys_and_holds_nothing_that_json_has_not(measured: Evaluation) -> None:
    said = facts(measured)
    assert set(said) == TOPS
    again = json.loads(json.dumps(said, allow_nan=False))
    assert again == said
    (ours, *_) = said["detectors"]
    assert set(ours) == {"name", "mean", "series_with", "all", "series"}
    assert set(ours["series"]["a"]) == {
        "frames", "labelled", "unscored", "auc_roc", "auc_pr", "vus_roc", "vus_pr", "buffer", "incidents"
    }  # fmt: skip
    assert set(ours["all"]) == {
        "events", "found", "opened_inside", "incidents", "true", "false", "normal_days", "precision", "recall", "f1",
        "median_delay_s", "false_per_day",
    }  # fmt: skip
    assert [(one["series"], one["worth"]) for one in said["alerts"]] == [("a", "true"), ("a", "false")]


def test_an_alert_that_reaches_into_an_event_from_before_is_neither_true_nor_false() -> None:
    event = {"a": [Span("a", 100, 200)]}
    known = GroundTruth(np.zeros(0, np.int64), np.zeros(0, np.bool_), {}, event, {}, {}, 0)
    spans = {(90, 110): "open before", (100, 110): "true", (199, 300): "true", (90, 100): "false", (200, 300): "false"}
    assert {span: alert_class(known, Span("a", *span)) for span in spans} == spans


# The path of `narrows replay`.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle trained on four pumps, their history, and labelled rows that follow it."""
    folder = tmp_path_factory.mktemp("trained")
    made(folder, a_history(), QUICK, threshold=ThresholdSettings(alerts_per_week=20.0))
    plant = fleet.generate(pumps=4, history_days=800 / 1440, live_days=0.2)
    live = plant.live.assign(anomaly=False)
    for fault in plant.faults:
        time = live["time"].astype("int64")
        live.loc[(live["series"] == fault.series) & time.between(fault.start_ns, fault.end_ns - 1), "anomaly"] = True
    live.to_parquet(folder / "live.parquet", index=False)
    return folder


def bundle_in(folder: Path) -> Bundle:
    from stream.registry.bundle import load

    (version,) = folder.glob("registry/pumps/versions/*")
    return Bundle(version, *load(version))


def trained_as(folder: Path, **changes: object) -> TrainOptions:
    return options(folder, threshold=ThresholdSettings(alerts_per_week=20.0), **changes)


def test_scores_and_alerts_are_those_of_a_replay(trained: Path, tmp_path: Path) -> None:
    bundle, data = bundle_in(trained), trained / "live.parquet"
    told: list[Alert] = []
    layout = layout_for(data, Hints(), bundle.definition)
    replay(bundle.definition, data, layout, told.append, tmp_path / "scores.parquet")
    frames = pq.read_table(tmp_path / "scores.parquet").to_pandas().sort_values(["series", "time"], kind="stable")
    seen = score_labelled(bundle.definition, data, Hints())
    assert sorted(seen.frames.names) == list(seen.frames.names), "so that both are in the same order"
    np.testing.assert_array_equal(frames["score"].to_numpy(), seen.score)
    assert {one.alert_id for one in told} == {one.alert_id for one in seen.incidents}
    assert seen.incidents
    assert seen.layout.label == "anomaly"


def test_the_same_rows_give_the_same_figures_whatever_is_measured_beside(trained: Path) -> None:
    asked = EvaluationOptions(trained / "live.parquet", Hints())
    alone = facts(evaluate(bundle_in(trained), asked))
    beside = facts(evaluate(bundle_in(trained), EvaluationOptions(asked.data, Hints(), history=trained_as(trained))))
    assert alone["floors"] is None
    assert beside["detectors"][0] == alone["detectors"][0]
    assert [one["name"] for one in alone["detectors"]] == ["narrows"]


def test_floors_learn_from_the_rows_that_the_bundle_was_trained_on_or_it_is_said_that_they_did_not(
    trained: Path, tmp_path: Path
) -> None:
    def floors(history: TrainOptions) -> dict[str, Any]:
        said = facts(
            evaluate(bundle_in(trained), EvaluationOptions(trained / "live.parquet", Hints(), history=history))
        )["floors"]
        return dict(said)

    assert floors(trained_as(trained))["same_rows"]
    parts = Parts(fit=0.5, calibrate=0.35, gate=0.15)
    cut = floors(trained_as(trained, fit=fit_options(QUICK, parts=parts)))
    assert (cut["same_rows"], cut["why_not"]) == (
        False, "the bundle's readings, cut into other parts than in its training (`train.parts`)"
    )  # fmt: skip
    a_history().iloc[:-4].to_parquet(tmp_path / "history.parquet", index=False)
    other = floors(trained_as(tmp_path))
    assert (other["same_rows"], other["why_not"]) == (False, "other readings than the bundle was trained on")


def test_frames_that_are_in_the_history_too_are_counted_and_told(trained: Path, tmp_path: Path) -> None:
    history, live = a_history(), pd.read_parquet(trained / "live.parquet")
    both = pd.concat([history.tail(40).assign(anomaly=False), live], ignore_index=True)
    both.to_parquet(tmp_path / "both.parquet", index=False)
    found = evaluate(
        bundle_in(trained), EvaluationOptions(tmp_path / "both.parquet", Hints(), history=trained_as(trained))
    )
    assert found.baselines is not None
    assert found.baselines.shared_frames == 40
    assert "40 of the frames judged are in the history, too" in " ".join(sentences(found))


def test_a_frame_is_labelled_by_its_own_reading_not_by_a_value_that_is_carried(tmp_path: Path) -> None:
    rows = labelled_rows().query("series == 'a'").reset_index(drop=True)
    rows.loc[50:51, "s0"] = np.nan  # after the event: unlabelled, and with nothing of its own
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    seen = score_labelled(plain_bundle(tmp_path / "registry").definition, tmp_path / "rows.parquet", LABELLED)
    assert np.flatnonzero(seen.frames.marked).tolist() == list(range(40, 50))


def test_series_that_are_refused_online_are_not_judged(trained: Path) -> None:
    known = frozenset({"pump-01", "pump-02"})
    found = evaluate(bundle_in(trained), EvaluationOptions(trained / "live.parquet", Hints(), known))
    rows = pq.read_metadata(trained / "live.parquet").num_rows
    assert set(found.ours.series) == known
    assert (found.labelled.counts[Count.DEAD], found.labelled.counts[Count.RECEIVED]) == (rows // 2, rows)
    assert f"Of {rows:,} readings some made no frame: {rows // 2:,} dead" in " ".join(sentences(found))


def test_long_rows_are_judged_on_the_ticks_that_they_meet_on(tmp_path: Path) -> None:
    """A tick is labelled if one of its readings is."""
    rows = labelled_rows()
    keys = ["time", "series", "anomaly"]
    long = rows.melt(keys, var_name="sensor", value_name="value").sort_values(["series", "time"], kind="stable")
    long.loc[long["sensor"] == "s1", "anomaly"] = 0
    long.to_parquet(tmp_path / "long.parquet", index=False)
    bundle = plain_bundle(tmp_path / "registry", resample="last")
    found = evaluate(bundle, EvaluationOptions(tmp_path / "long.parquet", LABELLED))
    a = found.ours.series["a"]
    assert (a.frames, a.ranking.labelled) == (FRAMES, 0.1)
    assert a.ranking.auc_pr == pytest.approx(0.8 * 0.8 + 0.2 * 0.1)


def test_a_history_without_the_column_of_labels_serves_the_floors_all_the_same(tmp_path: Path) -> None:
    """The training read that history without the column, too."""
    labelled_rows().to_parquet(tmp_path / "rows.parquet", index=False)
    normal_rows().to_parquet(tmp_path / "history.parquet", index=False)
    history = train_options("plain", tmp_path / "history.parquet", tmp_path / "registry", hints=LABELLED)
    found = evaluate(
        plain_bundle(tmp_path / "registry"), EvaluationOptions(tmp_path / "rows.parquet", LABELLED, history=history)
    )
    assert [one.name for one in found.figures] == ["narrows", *FLOORS]
