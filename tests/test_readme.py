"""The README does what it says: its commands run, its example subscribes, what it names is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deploy.kafka.broker import Broker
from tests.conftest import ROOT, MakeTopic
from tests.stream.serve.test_service import SERIES, SPEC, Stream
from tests.support.builders import a_definition, a_spec
from tests.support.live import Live
from training.demo.fleet import generate

# Links, and what stands in backticks below one of our folders.
PATHS = r"\]\(([\w./-]+)\)|`((?:tests|deploy|stream|training)/[\w./-]+)`"
README = (ROOT / "README.md").read_text()


def commands(containing: str) -> list[str]:
    """The lines of the README's shell block that holds `containing`, comments dropped."""
    (block,) = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if containing in block]
    return [line.split("#")[0].strip() for line in block.splitlines()]


def run(command: str, folder: Path) -> str:
    """Runs a `narrows` command line as a user would; it must succeed."""
    arguments = [sys.executable, "-m", "stream", *shlex.split(command)[1:]]
    done = subprocess.run(
        arguments, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout


def test_the_five_minutes_with_own_data_work_as_written(tmp_path: Path) -> None:
    """Also where the history says which rows were anomalous, and the newer data cannot know it yet."""
    fleet = generate(pumps=4, history_days=2.0, live_days=0.5)
    known = fleet.history.assign(anomaly=(fleet.history.index % 997 == 0).astype(int))
    known.to_parquet(tmp_path / "readings.parquet", index=False)
    fleet.live.to_parquet(tmp_path / "newer.parquet", index=False)
    said = {line.split()[1]: run(line, tmp_path) for line in commands("init --from-file") if line.startswith("narrows")}
    assert "series" in said["init"], "init shows what it guessed"
    assert "input.label = anomaly" in said["init"]
    assert "threshold" in said["train"], "train prints its table"
    assert '"state":"opened"' in said["replay"], "the faults of the live part alert"
    assert (tmp_path / "verdicts.parquet").stat().st_size > 0
    faulty = [fault for fault in fleet.faults if fault.expected == "alert"]
    time, series = fleet.live["time"].astype("int64"), fleet.live["series"]
    inside = [(series == fault.series) & time.between(fault.start_ns, fault.end_ns - 1) for fault in faulty]
    fleet.live.assign(anomaly=np.any(inside, axis=0)).to_parquet(tmp_path / "labelled.parquet", index=False)
    (evaluate,) = commands("narrows evaluate")
    assert "labelled events had an alert open inside" in run(evaluate, tmp_path)
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_the_example_subscriber_prints_the_open_incidents(tmp_path: Path, broker: Broker, topic: MakeTopic) -> None:
    live = Live(tmp_path, broker.bootstrap, topic, a_definition(a_spec(**SPEC), q=2.0, series=SERIES[:8]))
    live.send(Stream(2_000).messages())
    process = live.start()
    live.wait_for_all()
    live.stop(process)
    example = re.search(r"<!-- subscriber -->\n```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    assert len(example[1].strip().splitlines()) <= 12, "an example of ten lines, give or take the imports"
    done = subprocess.run(
        [sys.executable, "-c", example[1]],
        env=os.environ | {"BOOTSTRAP": broker.bootstrap, "ALERTS": live.alerts},
        capture_output=True,
        text=True,
        timeout=120,
    )
    live.close()
    assert done.returncode == 0, done.stderr
    assert re.search(r"^pump-\d+ (low|medium|high|critical) since 2023-11-14T", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", README))))
def test_each_test_that_the_readme_names_is_there(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\(([\w./-]+)\)|`((?:tests|deploy|stream|training)/[\w./-]+)`", README)))
)
def test_each_file_that_the_readme_names_is_there(path: tuple[str, str]) -> None:
    assert (ROOT / (path[0] or path[1])).exists()
