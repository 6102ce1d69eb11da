"""The verdict record of a frame."""

import json

import numpy as np

from stream.detect.outcome import Verdicts
from stream.events.record import encode
from stream.events.verdict import frame_verdicts

SECOND = 1_000_000_000
AT = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z


def test_a_verdict_record_has_null_where_the_frame_has_no_number() -> None:
    nan = np.nan
    verdicts = Verdicts(
        names={3: "pump-07", 9: "pump-08"},
        series=np.array([3, 9, 3, 9], np.int32),
        time=np.array([AT, AT, AT + SECOND, AT + SECOND]),
        row=np.arange(4),
        verdict=np.array([0, 1, 2, 3], np.uint8),
        error=np.array([0.5, 0.25, nan, nan]),
        level=np.array([0.75, nan, nan, nan]),
        threshold=np.full(4, 2.0),
        score=np.array([0.375, nan, nan, nan]),
        disagreement=np.array([0.0, 0.0, nan, nan]),
        imputed=np.array([0, 1, 2, 2], np.int32),
        vetoed=np.zeros(4, np.bool_),
        disagreeing=np.zeros(4, np.bool_),
    )
    records = [json.loads(encode(record)) for record in frame_verdicts(verdicts, "v1")]
    assert [record["verdict"] for record in records] == ["scored", "warming", "degraded", "off"]
    assert records[0] == {
        "series": "pump-07", "time": "2026-03-02T00:00:00Z", "verdict": "scored", "score": 0.375, "level": 0.75,
        "error": 0.5, "disagreement": 0.0, "imputed": 0, "model_version": "v1",
    }  # fmt: skip
    assert (records[1]["series"], records[1]["score"], records[1]["error"]) == ("pump-08", None, 0.25)
    assert all(records[3][name] is None for name in ("score", "level", "error", "disagreement"))
