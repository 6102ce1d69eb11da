"""Feedback through a real broker: written by the command, read beside the alerts by the report."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.kafka.broker import Broker
from stream.events.record import encode
from tests.conftest import MakeTopic
from tests.support.alert_records import incident_view
from tests.support.commands import in_process
from tests.support.live import read_committed


def test_verdicts_go_to_the_topic_and_are_reported_beside_its_alerts(
    broker: Broker,
    topic: MakeTopic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Records of others are skipped with a warning; a missing topic is an error that says so."""
    monkeypatch.chdir(tmp_path)
    alerts = topic("alerts", 2)
    feedback = topic(f"{alerts}.feedback", exact=True)
    where = ["--set", f"kafka.bootstrap={broker.bootstrap}", "--set", f"kafka.alerts={alerts}"]

    narrows = in_process(monkeypatch, capsys, *where)

    incidents = [incident_view("pump-1", 0, 5), incident_view("pump-1", 9, 12), incident_view("pump-2", 3, None)]
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for alert in incidents:
        producer.produce(alerts, encode(alert), alert.series)
    producer.produce(feedback, b"hello")
    assert producer.flush(20) == 0
    for alert, verdict in zip(incidents, ("false", "confirmed", "maintenance"), strict=True):
        assert narrows("feedback", alert.alert_id, verdict, "--note", "on the spot")[0] == 0
    assert narrows("feedback", incidents[0].alert_id, "confirmed")[0] == 0
    record = read_committed(broker.bootstrap, feedback)[-1]
    assert (record.key, record.json()["verdict"]) == (incidents[0].alert_id, "confirmed")
    code, out, err = narrows("feedback", "report", "--json")
    report = json.loads(out)
    assert code == 0
    assert [(row["series"], row["confirmed"], row["false"]) for row in report["series"]] == [
        ("pump-1", 2, 0), ("pump-2", 0, 0),
    ]  # fmt: skip
    assert report["contradicted"] == [{"alert_id": incidents[0].alert_id, "holds": "confirmed"}]
    assert report["unknown"] == []
    assert report["notes"][0].startswith("nothing is proposed: "), "there is no bundle here"
    assert f"warning: passed over: {feedback}/0/0: not feedback" in err
    code, out, err = narrows("feedback", "report", "--feedback", "topic", "--set", "kafka.feedback=absent")
    assert (code, out) == (1, "")
    assert "topic 'absent' is missing" in err
    assert "or name a file with --feedback" in err
    code, out, err = narrows("feedback", "x", "false")
    assert (code, out) == (1, "")
    assert f"alert 'x': not among the 3 alerts of topic '{alerts}'" in err
    code, out, err = narrows("feedback", incidents[0].alert_id, "false", "--set", "kafka.feedback=absent")
    assert (code, out) == (1, "")
    assert "topic 'absent' is missing; `narrows topics --create` makes it, or name another" in err
