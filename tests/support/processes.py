"""Two ways to start a process: as a user does, and as a fork of a process that has already imported torch."""

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from stream.kafka import failpoints
from stream.kafka.failpoints import VARIABLE, Failpoints

ROOT = Path(__file__).parents[2]
# Modules whose import takes most of the time of a start. The fork server would pass over a name that is wrong.
HEAVY = ["torch", "stream.serve.run", "stream.serve.compose", "stream.serve.service", "stream.serve.health_server"]
HEAVY += ["stream.kafka.admin.checks", "stream.cli.app", "stream.cli.people.feedback", "stream.cli.models", "pandas"]
assert all(find_spec(name) is not None for name in HEAVY), HEAVY
# The processes of the fork server share nothing with this one, nor with one another.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(HEAVY)


class Fork:
    """A process made by the fork server, with the part of the interface of `subprocess.Popen` that tests use."""

    def __init__(self, program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path) -> None:
        log.touch()
        # A daemon: a process that a failed test leaves behind ends with the test run.
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
        """Starts a module.

        Args:
            program: name of the module, and its arguments.
            log: file to which stderr is appended.
            output: file to which stdout is appended; None = the log.
        """


def cold(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path | None = None) -> Running:
    """Starts a new interpreter, for tests that measure or examine a start."""
    with log.open("ab") as errors, (output or log).open("ab") as printed:
        command = [sys.executable, "-m", *program]
        return subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=errors, env=environment)


def warm(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path | None = None) -> Running:
    """Starts a fork. It differs only in the two seconds of processor time that the import of torch takes."""
    return Fork(program, log, environment, output or log)


def _live(program: Sequence[str], log: Path, environment: Mapping[str, str], output: Path) -> None:
    """Runs the module in the fork, with its own output, environment and arguments."""
    for path, stream in ((output, sys.stdout), (log, sys.stderr)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    failpoints.install(Failpoints(environment.get(VARIABLE, "")))
    sys.argv[1:] = program[1:]
    runpy.run_module(program[0], run_name="__main__", alter_sys=True)
