"""`narrows why` on a real broker: the state of a series is that of one offline pass up to the committed offset."""

import json
from typing import Any

import numpy as np
import pytest

from stream.detect.detector import Detector
from stream.events.record import rfc3339
from stream.intake.columns import Disposition
from stream.intake.decode import Decoder
from tests.stream.cli.look.conftest import STREAM
from tests.stream.cli.look.test_alerts import newest
from tests.stream.serve.test_service import SERIES
from tests.support.builders import fields
from tests.support.commands import Narrows
from tests.support.live import Live


def message(time_ms: int, *values: object) -> bytes:
    return json.dumps({"time": time_ms} | {f"s{i}": value for i, value in enumerate(values)}).encode()


@pytest.fixture(scope="module")
def visited(served: Live) -> Live:
    """Some more series: one that has just begun, one that is always dead; and late readings of another."""
    late = int(STREAM.time.min()) // 1_000_000 - 10_000
    more = [("newcomer", message(late + 1000 * i, 0.1, 0.2, 0.3)) for i in range(3)]
    more += [("doomed", b"\x1f\x8b\x08"), ("doomed", b"\x1f\x8b\x08")]
    more += [("pump-5", message(late + i, 0, 0, 0)) for i in range(3)]
    served.send(more)
    service = served.start()
    served.wait_for_all()
    served.stop(service)
    return served


def offline(served: Live) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """By series: the last verdict, and the ends of the last readings that were not used, of one pass over its topic."""
    found: dict[str, tuple[dict[str, Any], list[str]]] = {}
    records = served.read(served.input)
    for number in sorted({record.partition for record in records}):
        ours = [record for record in records if record.partition == number]
        decoder = Decoder(fields(), served.definition.sensors, None)
        decoded = decoder.decode(
            [r.value for r in ours], [r.key.encode() for r in ours], [r.offset for r in ours], [-1] * len(ours)
        )
        readings = decoded.readings
        outcome = Detector(served.definition).push(readings)
        of = outcome.verdicts
        for i in range(len(of)):
            score, level = (None if np.isnan(x) else float(x) for x in (of.score[i], of.level[i]))
            known = {"time": rfc3339(int(of.time[i])), "score": score, "level": level}
            found[of.names[int(of.series[i])]] = (known, [])
        for row in np.flatnonzero(outcome.disposition != Disposition.USED).tolist():
            ended = Disposition(outcome.disposition[row]).name.lower()
            found[readings.names[readings.series[row]]][1].append(ended)
    return found


def test_every_series_has_the_last_verdict_of_one_offline_pass(narrows: Narrows, visited: Live) -> None:
    """To the bit, with the open incident that the alerts leave open, and the same readings that were not used."""
    truth, incidents = offline(visited), newest(visited).values()
    for series in SERIES:
        report = narrows("why", series, "--json").data
        last, unused = truth[series]
        assert {name: report["verdicts"][-1][name] for name in last} == last, series
        assert report["score"] == last["score"]
        assert [one["disposition"] for one in report["unused"]] == unused[-5:] or not report["rescored"]
        still_open = [one["alert_id"] for one in incidents if one["series"] == series and one["state"] != "resolved"]
        assert [report["incident"]["alert_id"]] == still_open if still_open else report["incident"] is None
        assert report["bundle"] == visited.definition.version
        assert report["in_training"] == (series in SERIES[:8])


def test_a_person_reads_the_state_its_reasons_and_what_would_change_it(narrows: Narrows, visited: Live) -> None:
    text = narrows("why", "pump-5").out
    assert text.startswith("series pump-5: score "), text
    assert "last readings that were not used" in text
    assert "late" in text
    incident = next(one for one in newest(visited).values() if one["state"] != "resolved")
    shown = narrows("why", str(incident["series"]))
    assert str(incident["alert_id"]) in shown.out
    assert "  - the incident ends after " in shown.out
    assert f"next: narrows feedback {incident['alert_id']} confirmed" in shown.err
    assert "sensors, at the peak" in shown.out


def test_a_series_that_has_just_begun_says_how_many_frames_are_missing(narrows: Narrows, visited: Live) -> None:
    report = narrows("why", "newcomer", "--json").data
    assert (report["state"], report["score"], report["frames"], report["needed"]) == ("warming", None, 3, 9)
    text = narrows("why", "newcomer").out
    assert text.splitlines()[0].startswith("series newcomer: warming, so it has no score")
    assert "a score needs 9 frames in a row, 3 are there" in text
    assert "pooled: training did not see this series" in text


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ("nobody", "series 'nobody': no snapshot and no reading of topic"),
        ("doomed", "series 'doomed': none of its readings was ever used; its 2 newest messages died, the last as not_"),
    ],
)
def test_a_series_that_nobody_knows_is_an_error(narrows: Narrows, visited: Live, series: str, words: str) -> None:
    result = narrows("why", series)
    assert (result.code, result.out) == (1, "")
    assert words in result.err


def test_messages_that_wait_are_told(narrows: Narrows, visited: Live) -> None:
    before = narrows("why", "pump-1", "--json").data
    visited.send([("pump-1", b"{}")])
    after = narrows("why", "pump-1", "--json").data
    assert (before["behind"], after["behind"]) == (0, 1)
    assert "1 message of partition" in after["prospects"][0]
    assert "is not committed" in after["prospects"][0]
