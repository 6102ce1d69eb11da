"""Spans of time: the rows that are within them."""

import numpy as np

from training.data.spans import Span, within_spans
from training.recalibration.observed import NO_END, incident_spans


def test_a_span_holds_from_its_start_to_before_its_end_and_a_nameless_one_everywhere() -> None:
    names, series = ("a", "b"), np.array([0, 0, 0, 1, 1, 1], np.int32)
    time = np.array([1, 2, 3, 1, 2, 3], np.int64)
    found = within_spans([Span("b", 2, 3), Span("c", 0, 9)], names, series, time)
    assert found.tolist() == [False, False, False, False, True, False]
    assert within_spans([Span("", 3, NO_END)], names, series, time).tolist() == [False, False, True] * 2
    assert incident_spans([]) == ()
