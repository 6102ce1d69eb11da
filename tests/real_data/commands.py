"""Commands of `narrows` as a user gives them: a configuration file, processes and their output."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.real_data.cases import ANSWERS, TIME
from tests.support.processes import Launch, Running, cold

PATIENCE_S = 120.0
PARTITIONS = 4


@dataclass(frozen=True)
class Topics:
    """Names of the topics that `narrows topics --create` makes."""

    readings: str
    alerts: str


class Narrows:
    """Commands with one configuration file, in a folder of its own.

    Args:
        folder: for registry, log and scores; made if absent.
        detector: name of the detector and of its topics, unique on the broker.
        overrides: sections of the configuration that differ from the defaults.
        launch: starts the processes.
    """

    def __init__(
        self, folder: Path, bootstrap: str, detector: str, overrides: dict[str, Any], launch: Launch = cold
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.topics = Topics(f"{detector}.readings", f"{detector}.alerts")
        self.group = f"narrows-{detector}"
        self._folder, self._config, self._log = folder, folder / "narrows.yaml", folder / "run.log"
        self._launch = launch
        tree = {
            "detector": detector,
            "registry": str(folder / "registry"),
            "input": {"topic": self.topics.readings, "time": TIME, "exclude": list(ANSWERS)},
            "kafka": {"bootstrap": bootstrap, "alerts": self.topics.alerts},
            # Each partition has a stream time of its own, a replay has one for all.
            "serve": {"log_format": "json", "unwatched_after": "1000d"},
        }
        self._config.write_text(yaml.safe_dump(tree | overrides, sort_keys=False))

    def train(self, history: Path) -> tuple[dict[str, Any], float]:
        """Runs `narrows train`; returns its facts and the seconds of the whole command."""
        started = time.perf_counter()
        printed = self._run("train", "--data", str(history), "--json")
        return dict(json.loads(printed)), time.perf_counter() - started

    def manifest(self, trained: dict[str, Any]) -> dict[str, Any]:
        """Reads the manifest of the bundle that `train` made."""
        return dict(json.loads((Path(trained["bundle"]) / "manifest.json").read_text()))

    def create_topics(self) -> None:
        """Runs `narrows topics --create`."""
        self._run("topics", "--create", "--partitions", str(PARTITIONS))

    def replay(self, live: Path) -> tuple[list[dict[str, Any]], Path]:
        """Runs `narrows replay --scores`; returns its alerts and the file of the verdicts."""
        scores = self._folder / "scores.parquet"
        printed = self._run("replay", "--data", str(live), "--scores", str(scores), "--json")
        return [json.loads(line) for line in printed.splitlines()], scores

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Runs `narrows run`, live in all partitions on entry; at the end SIGTERM must end it with code 0."""
        process = self._started(self._log, "run")
        try:
            self.wait(process, lambda: len(self._begun()) == PARTITIONS, "live")
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, self._tail()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _begun(self) -> set[int]:
        """Partitions that are read from their beginning. One that is rolled back is logged twice."""
        return {line["partition"] for line in self._logged("partition.new")}

    def wait(self, process: Running, until: Callable[[], bool], what: str) -> None:
        """Waits until a condition holds; fails if the process ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert process.poll() is None, f"ended with {process.returncode}, not {what}: {self._tail()}"
            assert time.monotonic() < deadline, f"not {what} within {PATIENCE_S:.0f} s: {self._tail()}"
            time.sleep(0.02)

    def counted(self) -> Counter[str]:
        """Dispositions and verdicts from the last progress line of `narrows run`, logged at its end."""
        last = self._logged("progress")[-1]
        return Counter({name: value for name, value in last.items() if isinstance(value, int)})

    def _logged(self, event: str) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        return [line for line in map(_parsed, lines) if line.get("event") == event]

    def _tail(self) -> str:
        return self._log.read_text()[-3000:]

    def _run(self, name: str, *rest: str) -> str:
        """Runs a command and returns its output."""
        log, output = self._folder / f"{name}.log", self._folder / f"{name}.out"
        code = self._started(log, name, *rest, output=output).wait()
        assert code == 0, f"narrows {name} {' '.join(rest)} ended with {code}: {log.read_text()}"
        return output.read_text()

    def _started(self, log: Path, name: str, *rest: str, output: Path | None = None) -> Running:
        return self._launch(["stream", name, "--config", str(self._config), *rest], log, os.environ, output)


def _parsed(line: str) -> dict[str, Any]:
    """Parses a log line; {} for a line that is not yet complete."""
    try:
        return dict(json.loads(line))
    except json.JSONDecodeError:
        return {}
