"""Two ways to start a process: as a user does, and from a fork of one that has imported torch already."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stream.kafka import failpoints
from stream.kafka.failpoints import VARIABLE, Failpoints

ROOT = Path(__file__).parents[2]
# What a start spends its time on.
HEAVY = ["torch", "stream.serve.run", "stream.serve.compose", "stream.serve.consumer", "stream.serve.health_server"]
HEAVY += ["stream.kafka.checks", "stream.serve.feedback_command", "stream.serve.models_command", "pandas"]
# Its processes share nothing with ours, nor with one another.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(HEAVY)


class Fork:
    """What is used here of `subprocess.Popen`, for a process that the fork server has made."""

    def __init__(self, program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path) -> None:
        log.touch()
        # A daemon: what a failed test has left behind ends with the test run.
        self._process = FORKS.Process(target=_live, args=(program, log, dict(environment), output), daemon=True)
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


class Launch(Protocol):
    """A way to start a process."""

    def __call__(
        self, program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path | None = None
    ) -> Running:
        """Start a module.

        Args:
            program: the module's name and its arguments.
            log: what it says is appended to it.
            output: what it prints is appended to it, and to the log where there is none.
        """


def cold(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path | None = None) -> Running:
    """From nothing: for whoever measures a start, or has it for a subject."""
    with log.open("ab") as said, (output or log).open("ab") as printed:
        command = [sys.executable, "-m", *program]
        return subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=said, env=environment)


def warm(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path | None = None) -> Running:
    """In all the same but for the two seconds of processor time that the import of torch takes."""
    return Fork(program, log, environment, output or log)


def _live(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path) -> None:
    """The life of a fork, as if it had been started like this."""
    for path, stream in ((output, sys.stdout), (log, sys.stderr)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    failpoints.install(Failpoints(environment.get(VARIABLE, "")))
    sys.argv[1:] = program[1:]
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)
