"""`narrows init --from-topic` on a real broker: a guess, a producer of the same layout, and the way back."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer

from deploy.kafka.broker import Broker
from stream.kafka.topic_sample import newest_records
from stream.settings import load
from tests.conftest import ROOT, MakeTopic
from tests.stream.cli.starting.messages import pump, time_ms
from tests.support.commands import in_process


def test_a_topic_becomes_a_configuration_and_a_producer_that_sends_the_same_layout(
    broker: Broker,
    topic: MakeTopic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    readings, copies, empty = topic("readings", 3), topic("copies"), topic("empty")
    narrows = in_process(monkeypatch, capsys, "--bootstrap", broker.bootstrap)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for row in range(90):
        message = {"meta": {"at": None, "ts": time_ms(row)}, "data": {"flow": row, "temp": 3.5}}
        producer.produce(readings, json.dumps(message), pump(row))
    producer.produce(readings, b"\0\0\0\0\7avro", pump(0))
    assert producer.flush(20) == 0

    done = narrows("init", "--from-topic", readings, "--producer", "produce.py")
    assert done.code == 0, done.err
    settings = load(tmp_path / "narrows.yaml", (), {})
    assert (settings.input.topic, settings.kafka.bootstrap) == (readings, broker.bootstrap)
    assert (settings.input.time, settings.input.series) == ("meta.ts", "")
    assert settings.input.sensors == {"flow": "data.flow", "temp": "data.temp"}
    assert f"topic '{readings}': of 91 readings, 1 would be dead" in done.err

    # The program sends to another topic, where the same is guessed again.
    program = tmp_path / "produce.py"
    program.write_text(program.read_text().replace(readings, copies))
    subprocess.run([sys.executable, program], check=True, cwd=ROOT, timeout=60)
    assert len(newest_records({"bootstrap.servers": broker.bootstrap}, copies)) == 3
    done = narrows("init", "--from-topic", copies, "--output", "again.yaml")
    assert done.code == 0, done.err
    again = load(tmp_path / "again.yaml", (), {})
    assert again.input.model_copy(update={"topic": readings}) == settings.input

    for name, what in ((empty, "is empty; start its producer"), ("absent", "is missing.*there are: ")):
        done = narrows("init", "--from-topic", name, "--output", "no.yaml")
        assert done.code == 1
        assert re.search(what, done.err), done.err
        assert not (tmp_path / "no.yaml").exists()
