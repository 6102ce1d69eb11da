"""A Java process of Kafka: formats, starts, waits until it serves, ends. It does not outlive its parent."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka.jars import HERE, java

HOST = "127.0.0.1"
STARTED = b"Kafka Server started"
# Client compiler and serial collector: the quickest start, the smallest heap, and no threads that tests must wait for.
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-Djava.awt.headless=true")
# Linux kills the child when its parent dies, for any reason. A program of its own arranges that between fork and exec:
# Python code there can deadlock in a process with many threads (torch, librdkafka).
ORPHANS_DIE = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class KafkaDiedError(RuntimeError):
    """A Kafka process ended, or was not ready in time; the message ends with the tail of its log."""


class KafkaProcess:
    """One node of Kafka. Its folder holds the properties, the log of the process and the data.

    The thread that calls `start` must live as long as the node: Linux ends the node with the thread.

    Args:
        name: of the node, in errors.
        folder: made if absent; data of an earlier run in it are kept.
        properties: the node's server.properties; `log.dirs` is added.
        port: TCP port of 127.0.0.1 that answers once the node is ready.
        libs: folder of the jars.
    """

    def __init__(self, name: str, folder: Path, properties: Mapping[str, str], port: int, libs: Path) -> None:
        self.name = name
        self.log = folder / "kafka.log"
        self._data = folder / "data"
        self._file = folder / "server.properties"
        self._port = port
        self._java = [java(), *JVM, f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{libs}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{key}={value}\n" for key, value in {**properties, "log.dirs": str(self._data)}.items())
        self._file.write_text("".join(lines))

    @property
    def alive(self) -> bool:
        """True while the process runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        if self._process is None or not self.alive:
            raise KafkaDiedError(f"{self.name} does not run; start it first. {self.tail()}")
        return self._process.pid

    def start(self, cluster: str, timeout: float) -> None:
        """Starts the node and returns once it serves: its log says so and its port answers. A running node stays.

        Args:
            cluster: id for formatting an empty data folder, 22 characters of URL-safe base64.
            timeout: seconds from the start of the process until it must serve.

        Raises:
            KafkaDiedError: the port is taken, the node ended, or `timeout` seconds passed (then it is killed).
        """
        if self.alive:
            return
        self._check_port()
        self._format(cluster)
        command = [sys.executable, "-I", "-S", "-c", ORPHANS_DIE, str(os.getpid())]
        with self.log.open("ab") as log:
            seen = log.tell()
            # In a session of its own, Ctrl-C in the terminal reaches only this process, which ends the nodes in order.
            self._process = subprocess.Popen(
                [*command, *self._java, "kafka.Kafka", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        weakref.finalize(self, _end, self._process)
        self._await_ready(self._process, seen, timeout)

    def wait(self) -> None:
        """Blocks until the process ends, which it should not; then raises KafkaDiedError."""
        code = None if self._process is None else self._process.wait()
        raise KafkaDiedError(f"{self.name} ended with {code}. {self.tail()}")

    def stop(self, timeout: float) -> None:
        """Asks the node to end (SIGTERM) and waits; kills it after `timeout` seconds."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)  # a frozen process takes no other signal
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Kills the node (SIGKILL) and waits until it is gone."""
        if self._process is not None:
            _end(self._process)

    def freeze(self) -> None:
        """Stops the process (SIGSTOP): connections stay open and nothing answers, as behind a cut cable."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Ends `freeze` (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def logged(self) -> int:
        """Size of the log in bytes, from which `says` can start."""
        return self.log.stat().st_size if self.log.exists() else 0

    def says(self, line: bytes, since: int) -> bool:
        """True where the log has `line` after byte `since`."""
        with self.log.open("rb") as log:
            log.seek(since)
            return line in log.read()

    def tail(self, lines: int = 30) -> str:
        """The end of the log, for an error message."""
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return f"The end of {self.log}:\n" + "\n".join(text[-lines:] or ["(empty)"])

    def _check_port(self) -> None:
        with socket.socket() as probe:
            # As Kafka does it: connections of an earlier run that still close do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self._port))
            except OSError as error:
                what = f"{self.name}: cannot listen on {HOST}:{self._port} ({error.strerror})"
                raise KafkaDiedError(f"{what}; stop what does, or choose another port") from error

    def _format(self, cluster: str) -> None:
        if (self._data / "meta.properties").exists():
            return
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._file)]
        done = subprocess.run([*self._java, *tool], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise KafkaDiedError(f"{self.name}: format ended with {done.returncode}:\n{done.stdout.decode()[-3000:]}")

    def _await_ready(self, process: subprocess.Popen[bytes], seen: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not self._ready(seen):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(0.05)
                raise KafkaDiedError(f"{self.name} ended with {code} while starting. {self.tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise KafkaDiedError(f"{self.name} was not ready after {timeout:g} s and was killed. {self.tail()}")

    def _ready(self, seen: int) -> bool:
        # Only lines of this run count.
        if not self.says(STARTED, seen):
            return False
        try:
            socket.create_connection((HOST, self._port), timeout=1).close()
        except OSError:
            return False
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
