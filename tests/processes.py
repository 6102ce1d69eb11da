"""Two ways to start a process: as a user does, and from a fork of one that has imported torch already."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stream.kafka import fault_points
from stream.kafka.fault_points import VARIABLE, FaultPoints

ROOT = Path(__file__).parents[1]
# What a start spends its time on.
HEAVY = ["torch", "stream.serve.run", "stream.serve.compose", "stream.serve.consumer", "stream.serve.health_server"]
HEAVY += ["stream.kafka.checks", "stream.serve.feedback_command", "stream.serve.models_command", "pandas"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(HEAVY)


class Fork:
    """What is used here of `subprocess.Popen`, for a process that the fork server has made."""

    def __init__(self, program: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        # A daemon: what a failed test has left behind ends with the test run.
        log.touch()
        self._process = FORKS.Process(target=_live, args=(program, log, dict(environment)), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Running = subprocess.Popen[bytes] | Fork
# The module to run and its arguments; where its output is appended; its environment.
Launch = Callable[[Sequence[str], Path, Mapping[str, str]], Running]


def cold(program: Sequence[str], log: Path, environment: Mapping[str, str]) -> Running:
    """From nothing: for whoever measures a start, or has it for a subject."""
    with log.open("ab") as file:
        command = [sys.executable, "-m", *program]
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, env=environment)


def warm(program: Sequence[str], log: Path, environment: Mapping[str, str]) -> Running:
    """In all the same but for the two seconds of processor time that the import of torch takes."""
    return Fork(program, log, environment)


def _live(program: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """The life of a fork, as if it had been started like this."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    fault_points.install(FaultPoints(environment.get(VARIABLE, "")))
    sys.argv[1:] = program[1:]
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)
