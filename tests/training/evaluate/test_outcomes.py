"""The outcome of each labelled event, and counts by its length."""

import numpy as np
import pytest

from tests.support.plain_bundle import plain_evaluation
from training.data.spans import Span
from training.evaluate.evaluation import Evaluation
from training.evaluate.facts import facts
from training.evaluate.figures import GroundTruth
from training.evaluate.outcomes import by_length, event_outcomes
from training.evaluate.page import page
from training.evaluate.summary import sentences
from training.metrics.events import spans_of


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The plain bundle on the three labelled series, with baselines fitted on noise."""
    return plain_evaluation(tmp_path_factory.mktemp("plain"))


def test_each_event_has_its_outcome_and_counts_by_its_length(measured: Evaluation) -> None:
    found, missed = measured.outcomes
    assert (found.span.series, found.frames, found.outcome, found.delay_s, found.peak_score) == (
        "a",
        10,
        "found",
        120.0,
        4.0,
    )
    assert (missed.span.series, missed.frames, missed.outcome, missed.peak_score) == ("c", 10, "missed", None)
    assert [(one.name, one.events, one.found) for one in by_length(measured.outcomes)] == [
        ("1 to 5", 0, 0), ("6 to 32", 2, 1), ("more than 32", 0, 0)
    ]  # fmt: skip


def test_an_event_met_by_an_older_alert_alone_is_not_found_and_time_in_alarm_is_counted_by_series() -> None:
    """The first event meets an alert that began before it; in the second one opens; the third lasts one frame."""
    labels = np.zeros(30, np.bool_)
    labels[[5, 6, 12, 13, 14, 15, 16, 17, 29]] = True
    time = np.arange(30, dtype=np.int64)
    events = {"a": spans_of("a", time, labels, 1)}
    known = GroundTruth(time, labels, {"a": slice(0, 30)}, events, {}, {}, 1)
    alerts = [Span("a", 3, 7), Span("a", 14, 20), Span("b", 29, 40)]
    outcomes = event_outcomes(known, np.arange(30.0), alerts)
    assert [(one.outcome, one.frames, one.delay_s, one.peak_score) for one in outcomes] == [
        ("open before", 2, None, 7.0), ("found", 6, 2e-9, 18.0), ("missed", 1, None, 29.0)
    ]  # fmt: skip
    assert [(one.events, one.found) for one in by_length(outcomes)] == [(2, 0), (1, 1), (0, 0)]


def test_outcomes_are_in_the_json_the_summary_and_the_page(measured: Evaluation) -> None:
    said = facts(measured)
    assert [(one.series, one.outcome, one.delay_s) for one in said.labelled_events] == [
        ("a", "found", 120.0), ("c", "missed", None)
    ]  # fmt: skip
    assert [(one.shortest, one.longest, one.events, one.found) for one in said.by_length] == [
        (1, 5, 0, 0), (6, 32, 2, 1), (33, None, 0, 0)
    ]  # fmt: skip
    assert "1.06% of the time in alarm" in " ".join(sentences(measured))
    text = page(measured)
    assert "The longest of 1 in which none opened" in text
    assert "share of frames during an open alert" in text
