"""Every README does what it says: commands run, examples work, files, tests and headings that are named exist."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.kafka.broker import Broker
from tests.conftest import ROOT
from tests.support.commands import in_process
from tests.support.texts import (
    PAGES,
    command_lines,
    example,
    headings,
    named_anchors,
    named_files,
    named_tests,
    prose,
    text_of,
)
from training.demo.fleet import Fleet, generate

FRONT = "README.md"
# Commands that may refuse a short history, with exit code 4.
MAY_REFUSE = {"recalibrate"}
FEW_EPOCHS = "5"
SEVERITY = "(low|medium|high|critical)"
# Seconds until something that a process prints is there.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Newcomer:
    """A folder with somebody's own data, and a broker.

    Attributes:
        environment: of the processes: an importable narrows, the address of the broker.
    """

    folder: Path
    environment: Mapping[str, str]

    def start(self, words: list[str], name: str) -> subprocess.Popen[bytes]:
        """Starts a process; its standard output and error go to the file `name`."""
        with (self.folder / name).open("ab") as output:
            return subprocess.Popen(words, cwd=self.folder, env=self.environment, stdout=output, stderr=output)

    def narrows(self, words: list[str]) -> str:
        """Runs a command of narrows and returns its standard output; the command must succeed."""
        command = [sys.executable, "-m", "stream", *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"narrows {' '.join(words)}: {done.returncode}: {done.stderr[-3000:]}"
        return done.stdout

    def wait_for(self, pattern: str, name: str) -> str:
        """Waits until the file `name` holds the pattern; returns what it found."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, (self.folder / name).read_text(), re.MULTILINE)) is None:
            assert time.monotonic() < deadline, f"no {pattern!r} in: {(self.folder / name).read_text()[-3000:]}"
            time.sleep(0.05)
        return found[0]


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    """Ends a process by a signal and returns its exit code."""
    process.send_signal(how)
    return process.wait(30)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return generate(pumps=4, history_days=2.0, live_days=0.5)


@pytest.fixture(scope="module")
def kafka(kafka_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of its own: the pages use the default names of topics."""
    with Broker(tmp_path_factory.mktemp("readme-kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def newcomer(kafka: Broker, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """History with labels, and newer data that cannot have any yet."""
    folder = tmp_path_factory.mktemp("newcomer")
    known = fleet.history.assign(anomaly=(fleet.history.index % 997 == 0).astype(int))
    known.to_parquet(folder / "readings.parquet", index=False)
    # It ends while a pump is failing.
    newer = fleet.live[fleet.live.time < fleet.live.time.min() + pd.Timedelta(hours=10)].copy()
    newer.loc[::50, "flow"] = None  # readings with a missing value
    newer.to_parquet(folder / "newer.parquet", index=False)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "NARROWS_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "BOOTSTRAP": kafka.bootstrap,
    }
    return Newcomer(folder, environment)


def front_page(word: str) -> list[list[str]]:
    """The arguments of all `narrows` commands on the front page that begin with `word`."""
    found = [words[1:] for words in command_lines(FRONT) if words[0] == "narrows" and words[1] == word]
    assert found, f"the front page has no narrows {word}"
    return found


def test_the_front_page_leads_a_newcomer_to_alerts_on_their_own_topic(newcomer: Newcomer) -> None:
    """From two Parquet files to a subscriber that remembers the open incidents after kill -9, by the page alone."""
    (init,), (train,), replays = front_page("init"), front_page("train"), front_page("replay")
    guesses = newcomer.narrows(init)
    assert "series" in guesses, "init shows what it guessed"
    assert "input.label = anomaly" in guesses
    assert "threshold" in newcomer.narrows(train), "train prints its table"
    assert '"state":"opened"' in newcomer.narrows(replays[0]), "the faults of the newer data alert"
    newcomer.narrows(replays[1])
    assert (newcomer.folder / "verdicts.parquet").stat().st_size > 0
    (topics,), (run,) = front_page("topics"), front_page("run")
    newcomer.narrows(topics)
    service = newcomer.start([sys.executable, "-m", "stream", *run], "run.log")
    (newcomer.folder / "produce.py").write_text(example(FRONT, "producer"))
    assert newcomer.start([sys.executable, "produce.py"], "produce.log").wait(60) == 0
    (newcomer.folder / "subscribe.py").write_text(example(FRONT, "subscriber"))
    subscriber = newcomer.start([sys.executable, "subscribe.py"], "subscriber.log")
    newcomer.wait_for(rf"^pump-\d+ opened {SEVERITY} score \d", "subscriber.log")
    deadline = time.monotonic() + PATIENCE_S
    while not json.loads((newcomer.folder / "open-incidents.json").read_text()):
        assert time.monotonic() < deadline, "no incident is open"
        time.sleep(0.05)
    end(subscriber, signal.SIGKILL)
    again = newcomer.start([sys.executable, "subscribe.py"], "again.log")
    newcomer.wait_for(rf"^pump-\d+ {SEVERITY} since 2026-", "again.log")
    assert again.poll() is None, "the subscriber stays"
    second = newcomer.start([sys.executable, "subscribe.py"], "second.log")
    assert again.wait(60) == 1, "of two subscribers with one name the first ends"
    assert end(second, signal.SIGINT) == 0
    for words in front_page("doctor"):
        newcomer.narrows(words)
    newcomer.narrows(replays[2])
    assert end(service, signal.SIGTERM) == 0
    # The last line says that the service has stopped.
    last = json.loads((newcomer.folder / "run.log").read_text().splitlines()[-2])
    assert (last["event"], last["dead"]) == ("progress", 0), "every reading of the producer is one"
    assert last["used"] == len(pd.read_parquet(newcomer.folder / "newer.parquet"))


@pytest.mark.parametrize(("largest", "code"), [("1000000", 0), ("60", 1)])
def test_the_producer_of_the_front_page_waits_for_the_queue_and_ends_with_an_error_if_a_reading_is_not_delivered(
    newcomer: Newcomer, largest: str, code: int
) -> None:
    """Its client has a queue of 50 readings here. The broker refuses readings over `largest` bytes."""
    topic = f"queue-{largest}"
    admin = AdminClient({"bootstrap.servers": newcomer.environment["BOOTSTRAP"]})
    admin.create_topics([NewTopic(topic, 1, config={"max.message.bytes": largest})])[topic].result()
    text = example(FRONT, "producer").replace("10_000", "50").replace('"readings"', f'"{topic}"')
    small = text.replace('"enable.idempotence": True', '"enable.idempotence": True, "queue.buffering.max.messages": 50')
    assert small != text
    (newcomer.folder / f"{topic}.py").write_text(small)
    assert newcomer.start([sys.executable, f"{topic}.py"], f"{topic}.log").wait(60) == code
    assert ("MSG_SIZE_TOO_LARGE" in (newcomer.folder / f"{topic}.log").read_text()) == bool(code)


def test_the_alert_of_the_front_page_is_a_whole_alert(newcomer: Newcomer) -> None:
    """It fits the schema and has every field that a real one has."""
    alert = json.loads(example(FRONT, "alert"))
    jsonschema.validate(alert, json.loads((ROOT / "deploy/schemas/alert.v1.schema.json").read_text()))
    real = json.loads(newcomer.narrows(front_page("replay")[0]).splitlines()[0])
    assert alert.keys() == real.keys()
    assert alert["sensors"][0].keys() == real["sensors"][0].keys()


@pytest.fixture(scope="module")
def workplace(newcomer: Newcomer, fleet: Fleet) -> Newcomer:
    """The newcomer some days later: labels, alerts, feedback and a list of incidents lie beside the data."""
    folder = newcomer.folder
    if not (folder / "narrows.yaml").exists():
        for word in ("init", "train", "topics"):
            newcomer.narrows(front_page(word)[0])
    faulty = [fault for fault in fleet.faults if fault.expected == "alert"]
    times, series = fleet.live["time"].astype("int64"), fleet.live["series"]
    inside = [(series == fault.series) & times.between(fault.start_ns, fault.end_ns - 1) for fault in faulty]
    fleet.live.assign(anomaly=np.any(inside, axis=0)).to_parquet(folder / "labelled.parquet", index=False)
    alerts = newcomer.narrows(["replay", "--data", "newer.parquet"])
    (folder / "alerts.jsonl").write_text(alerts)
    (folder / "incidents.yaml").write_text(
        "- {series: pump-01, start: 2026-03-04T01:00:00Z, end: 2026-03-04T04:00:00Z}\n"
    )
    # A running service has committed something.
    served = newcomer.start([sys.executable, "-m", "stream", "run"], "served.log")
    (folder / "produce.py").write_text(example(FRONT, "producer"))
    assert newcomer.start([sys.executable, "produce.py"], "produced.log").wait(60) == 0
    newcomer.wait_for(r'"received": [1-9]', "served.log")
    assert end(served, signal.SIGTERM) == 0
    # Something to roll back to.
    newcomer.narrows(["models", "amend", "--set", "rules.close_after=50"])
    newcomer.narrows(["models", "promote", "candidate"])
    return newcomer


@pytest.mark.parametrize("page", [page for page in PAGES if page != FRONT])
def test_the_commands_of_a_page_work_as_written(
    page: str,
    workplace: Newcomer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One after the other, in a copy of the workplace; models of few epochs do. An evaluation has table and plots."""
    folder = tmp_path / "workplace"
    shutil.copytree(workplace.folder, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NARROWS_KAFKA__BOOTSTRAP", workplace.environment["NARROWS_KAFKA__BOOTSTRAP"])
    monkeypatch.setenv("NARROWS_TRAIN__MAX_EPOCHS", FEW_EPOCHS)
    narrows = in_process(monkeypatch, capsys)
    alert_id = json.loads((folder / "alerts.jsonl").read_text().splitlines()[0])["alert_id"]
    for words in command_lines(page):
        if words[0] == "narrows":
            done = narrows(*(alert_id if word == "ALERT_ID" else word for word in words[1:]))
            assert done.code in ({0, 4} if words[1] in MAY_REFUSE else {0}), f"{words}: {done.code}: {done.err[-3000:]}"
            if words[1] == "evaluate":
                assert "labelled events had an alert open inside" in done.out
                assert "<svg" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    "words", sorted({tuple(words) for page in PAGES for words in command_lines(page) if words[0] != "narrows"})
)
def test_each_other_command_of_a_page_exists(words: tuple[str, ...]) -> None:
    """Targets of make, and modules that declare the options; they take minutes, so they are not run here."""
    if words[:2] == (".", ".venv/bin/activate"):
        return
    if words[0] == "make":
        question = ["make", "--dry-run", *words[1:]]
        subprocess.run(question, cwd=ROOT, capture_output=True, check=True)
    elif words[:3] == ("python", "-m", "pytest"):
        assert [word for word in words[3:] if "/" in word and not (ROOT / word).exists()] == []
    else:
        assert words[:2] == ("python", "-m"), words
        place = ROOT / words[2].replace(".", "/")
        module = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        for option in (word for word in words[3:] if word.startswith("--")):
            assert f'"{option}"' in module.read_text(), f"{' '.join(words)}: no option {option}"


@pytest.mark.parametrize("name", sorted(named_tests()))
def test_each_test_that_a_page_names_exists(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(("page", "path"), sorted(set(named_files())))
def test_each_file_that_a_page_names_exists(page: str, path: Path) -> None:
    assert path.exists(), page


@pytest.mark.parametrize(("page", "heading"), sorted(set(named_anchors())))
def test_each_heading_that_a_page_links_to_exists(page: str, heading: str) -> None:
    assert heading in headings(page)


def test_the_front_page_can_be_read_in_one_sitting() -> None:
    """At most 1,500 words, 250 lines, 120 characters a line, 60 words a paragraph."""
    text = text_of(FRONT)
    assert len(text.split()) <= 1500
    assert len(text.splitlines()) <= 250
    assert [line for line in text.splitlines() if len(line) > 120] == []
    assert [part for part in prose(FRONT) if len(part.split()) > 60] == []
