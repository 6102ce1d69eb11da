"""Spans of time: the rows that are within them."""

import numpy as np

from stream.events.record import rfc3339
from training.data.spans import Span, of_unknown_series, within_spans, without_readings
from training.recalibration.observed import NO_END, incident_spans


def test_a_span_holds_from_its_start_to_before_its_end_and_a_nameless_one_everywhere() -> None:
    names, series = ("a", "b"), np.array([0, 0, 0, 1, 1, 1], np.int32)
    time = np.array([1, 2, 3, 1, 2, 3], np.int64)
    found = within_spans([Span("b", 2, 3), Span("c", 0, 9)], names, series, time)
    assert found.tolist() == [False, False, False, False, True, False]
    assert within_spans([Span("", 3, NO_END)], names, series, time).tolist() == [False, False, True] * 2
    assert incident_spans([]) == ()


def test_a_series_that_does_not_occur_is_named_with_those_that_are_close_to_it() -> None:
    assert list(of_unknown_series(["pmp-1", "", "pump-1", "pmp-1"], ["pump-1", "pump-2", "fan"])) == [
        "no reading is of series 'pmp-1'; close to it: pump-1, pump-2"
    ]
    many = [f"pump-{number}" for number in range(9)]
    assert list(of_unknown_series(["xyz"], many)) == [
        "no reading is of series 'xyz'; there are pump-0, pump-1, pump-2, pump-3, pump-4 and 4 more"
    ]


def test_spans_without_a_reading_are_counted_and_those_of_unknown_series_are_not() -> None:
    names, series, time = ("a", "b"), np.array([0, 0, 1, 1], np.int32), np.array([1, 2, 5, 6], np.int64)
    covering = [Span("a", 2, 3), Span("", 6, NO_END)]
    assert list(without_readings(covering, names, series, time)) == []
    empty = [Span("a", 5, 7), Span("", 3, 5), Span("c", 0, 1)]
    (sentence,) = without_readings([*covering, *empty], names, series, time)
    assert sentence.startswith(f"spans that cover no reading: 2, a {rfc3339(5)} to {rfc3339(7)}, every series ")
    assert sentence.endswith(f"; the readings are from {rfc3339(1)} to {rfc3339(6)}")
