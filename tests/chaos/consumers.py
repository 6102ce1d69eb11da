"""Processes under test: `narrows run`, each with an identity of its own, started, killed, frozen, stopped."""

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from stream.kafka.failpoints import VARIABLE
from tests.chaos.world import until
from tests.support.processes import Launch, Running, cold

STOP_S = 40.0
TAIL = 4000


class ConsumerError(RuntimeError):
    """A process ended or went on against expectation; the message ends with the tail of its log."""


class Instance:
    """One identity, and the process that runs under it, if any.

    Args:
        program: module and arguments; the broken variants have their own.
        launch: starts the process; cold where times are measured.

    Attributes:
        surprises: reports of processes that ended without being killed or stopped.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        config: Path,
        program: Sequence[str] = ("stream", "run"),
        launch: Launch = cold,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._program = [*program, "--config", str(config), "--set", f"kafka.instance={name}"]
        self._launch = launch
        self._process: Running | None = None
        self._since = 0
        # True if the process was never started, or was ended by us.
        self._ended = True
        self.surprises: list[str] = []

    @property
    def runs(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_frozen(self) -> bool:
        """True while the process is stopped by SIGSTOP."""
        try:
            return self.runs and psutil.Process(self._running.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:  # it ended between the two
            return False

    def start(self, order: str = "", overrides: Sequence[str] = ()) -> None:
        """Starts the process, with `order` for its failpoints."""
        assert not self.runs, f"{self.name} runs already"
        self._note_end()
        extra = [part for override in overrides for part in ("--set", override)]
        self._since = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._launch([*self._program, *extra], self.log, os.environ | {VARIABLE: order})
        self._ended = False

    def _note_end(self) -> None:
        if self._process is not None and not self._ended:
            self.surprises.append(f"{self.name} ended by itself with {self._process.returncode}. {self.tail()}")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log lines of this event, of all processes of the instance."""
        lines = self.log.read_bytes().rpartition(b"\n")[0].splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if f'"{event}"'.encode() in line]
        return [line for line in found if line["event"] == event]

    def says(self, *events: str) -> bool:
        """True if the running process has logged one of these events."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            text = log.read()
        return any(f'"{event}"'.encode() in text for event in events)

    def serves(self) -> bool:
        """True if the process reads at least one partition.

        Raises:
            ConsumerError: the process has ended.
        """
        self.check()
        return self.says("partition.restored", "partition.new")

    def kill(self) -> None:
        """Kills the process by SIGKILL; it must still run."""
        self.check()
        self._running.kill()
        self._running.wait()
        self._ended = True

    def was_killed(self) -> bool:
        """True if SIGKILL has ended the process; it must not have ended in any other way."""
        if self.runs:
            return False
        if self._running.returncode != -signal.SIGKILL:
            self.check()
        self._ended = True
        return True

    def freeze(self) -> None:
        """Sends SIGSTOP."""
        self.check()
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Sends SIGCONT."""
        self.check()
        self._running.send_signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Sends SIGTERM."""
        self.check()
        self._running.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Sends SIGTERM; the process must then end by itself with code 0."""
        # A process without its handlers would end at once.
        until(lambda: self.says("service.started") or not self.runs, f"{self.name} has started", STOP_S)
        self.ask_to_stop()
        try:
            code = self._running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise ConsumerError(f"{self.name} does not stop. {self.tail()}") from None
        if code != 0:
            raise ConsumerError(f"{self.name} was asked to stop and ended with {code}. {self.tail()}")
        self._ended = True

    def check(self) -> None:
        """Raises ConsumerError if the process does not run: only our kills may end it."""
        if not self.runs:
            raise ConsumerError(f"{self.name} ended with {self._running.returncode}. {self.tail()}")

    def close(self) -> None:
        """Ends the process in any case."""
        if self.runs:
            self._running.kill()
            self._running.wait()

    def tail(self) -> str:
        """Last bytes of the log, for messages."""
        return f"The end of {self.log}:\n{self.log.read_bytes()[-TAIL:].decode(errors='replace')}"

    @property
    def _running(self) -> Running:
        assert self._process is not None, f"{self.name} was never started"
        return self._process
