"""A real Kafka broker: a context manager for tests, and `python -m deploy.kafka.broker` for people."""

import argparse
import base64
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from deploy.kafka.jars import KafkaUnavailableError, jars
from deploy.kafka.process import HOST, KafkaDiedError, KafkaProcess

START_S = 60.0
STOP_S = 20.0
# Log line of the controller at the end of a dead broker's session.
FENCED = b"Fencing broker 1 "
# Below the ports that systems give to outgoing connections (Linux: from 32768). A client that connects to the port of a
# broker that is down could otherwise get that same port, and talk to itself.
PORTS = range(20_000, 32_000)

# One node with small internal topics. Groups form quickly, and the transactions of a killed producer end quickly.
SETTINGS = {
    "controller.listener.names": "CONTROLLER",
    # A broker that returns is refused until its old session has ended. The default is 9 s, with a heartbeat every 2 s.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.session.timeout.ms": "6000",
    "group.consumer.session.timeout.ms": "6000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "2097152",
}


class Broker:
    """Kafka in KRaft mode with one broker, at the address `bootstrap`; a context manager.

    Ports and data outlive `stop`, `kill` and `restart`: clients find the same broker again.

    Args:
        folder: for data, properties and logs; made if absent. Data of an earlier broker in it are used again.
        port, controller_port: None = a free port below 32,000.
        separate_controller: whether the controller runs in a process of its own, which `stop` and `kill` leave alone.
            Tests that kill the broker need that. A combined node that returns from a kill can forget abort markers, and
            the last stable offset then hangs for good.
        settings: further server.properties of broker and controller; they override `SETTINGS`.

    Raises:
        KafkaUnavailableError: no Java or no jars on this machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        controller_port: int | None = None,
        separate_controller: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        port = free_port() if port is None else port
        control = free_port(but=port) if controller_port is None else controller_port
        self.bootstrap = f"{HOST}:{port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._cluster = _cluster_id(folder / "cluster.id")
        own = {**SETTINGS, **(settings or {})}
        nodes = _two_nodes if separate_controller else _one_node
        self._broker, self._controller = nodes(folder, port, control, own)
        # Size of the controller's log at the last kill: the line FENCED comes after it.
        self._killed_at: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """True while the broker's process runs."""
        return self._broker.alive

    @property
    def pid(self) -> int:
        """Process id of the broker."""
        return self._broker.pid

    @property
    def log(self) -> Path:
        """File of the broker's log; every start appends to it."""
        return self._broker.log

    def start(self) -> None:
        """Starts the controller and the broker if they do not run, and waits until they serve. The first call formats.

        A killed broker is started once a separate controller has ended its session. A broker that is back earlier is
        leader of everything until its old session ends. The coordinator then skips the transaction markers of
        partitions without a leader, and their last stable offset hangs for good (1 of 32 kills).

        Raises:
            KafkaDiedError: one of them ended or was not ready in time; neither runs then.
        """
        try:
            if self._controller is not None:
                self._controller.start(self._cluster, START_S)
                self._await_fencing(self._controller)
            self._broker.start(self._cluster, START_S)
        except BaseException:
            self._kill_all()
            raise

    def stop(self) -> None:
        """Ends the broker in an orderly way. Its data stay, and a separate controller goes on."""
        self._broker.stop(STOP_S)

    def kill(self) -> None:
        """Kills the broker (SIGKILL). A separate controller goes on."""
        if self._controller is not None and self._broker.alive:
            self._killed_at = self._controller.logged()
        self._broker.kill()

    def restart(self) -> None:
        """Stops and starts the broker, with the same ports and data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Cuts the broker off: its connections stay open, and nothing answers."""
        self._broker.freeze()

    def thaw(self) -> None:
        """Ends `freeze`."""
        self._broker.thaw()

    def wait(self) -> None:
        """Blocks while the broker runs.

        Raises:
            KafkaDiedError: always, when it has ended.
        """
        self._broker.wait()

    def close(self) -> None:
        """Stops the broker, then the controller: in the other order, the broker would wait for the controller."""
        self.stop()
        if self._controller is not None:
            self._controller.stop(STOP_S)

    def _await_fencing(self, controller: KafkaProcess) -> None:
        killed_at, self._killed_at = self._killed_at, None
        deadline = time.monotonic() + START_S
        while killed_at is not None and not controller.says(FENCED, killed_at):
            if time.monotonic() > deadline:
                raise KafkaDiedError(f"the controller still counts the killed broker in. {controller.tail()}")
            time.sleep(0.05)

    def _kill_all(self) -> None:
        for node in filter(None, (self._broker, self._controller)):
            node.kill()


def _one_node(
    folder: Path, port: int, control: int, own: Mapping[str, str]
) -> tuple[KafkaProcess, KafkaProcess | None]:
    """Broker and controller in one process."""
    clients, quorum = f"PLAINTEXT://{HOST}:{port}", f"CONTROLLER://{HOST}:{control}"
    role = {"process.roles": "broker,controller", "node.id": "1", "controller.quorum.voters": f"1@{HOST}:{control}"}
    listen = {"listeners": f"{clients},{quorum}", "advertised.listeners": clients}
    return KafkaProcess("broker", folder / "broker", {**own, **role, **listen}, port, jars()), None


def _two_nodes(
    folder: Path, port: int, control: int, own: Mapping[str, str]
) -> tuple[KafkaProcess, KafkaProcess | None]:
    """Broker and controller in two processes."""
    base = {**own, "controller.quorum.voters": f"100@{HOST}:{control}"}
    ours = {"process.roles": "broker", "node.id": "1", "listeners": f"PLAINTEXT://{HOST}:{port}"}
    theirs = {"process.roles": "controller", "node.id": "100", "listeners": f"CONTROLLER://{HOST}:{control}"}
    broker = KafkaProcess("broker", folder / "broker", {**base, **ours}, port, jars())
    return broker, KafkaProcess("controller", folder / "controller", {**base, **theirs}, control, jars())


def free_port(but: int | None = None) -> int:
    """A TCP port of 127.0.0.1 in `PORTS`, other than `but`, that nothing listens on. It is not reserved."""
    for port in random.SystemRandom().sample(PORTS, 200):
        # Without SO_REUSEADDR, a port with connections that still close counts as taken.
        with socket.socket() as probe, contextlib.suppress(OSError):
            if port != but:
                probe.bind((HOST, port))
                return port
    raise KafkaDiedError(f"200 ports tried between {PORTS.start} and {PORTS.stop}, all taken")


def _cluster_id(file: Path) -> str:
    """The cluster id in `file`, drawn at random on the first call: 16 bytes as 22 characters of URL-safe base64."""
    if not file.exists():
        file.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
    return file.read_text()


def main(arguments: list[str] | None = None) -> int:
    """Runs a broker until SIGINT or SIGTERM; returns exit code 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kafka.broker", description=__doc__)
    parser.add_argument("--port", type=int, default=9092, help="clients connect here (default 9092)")
    parser.add_argument("--controller-port", type=int, help="default: the port after --port")
    parser.add_argument("--data", type=Path, help="folder to keep topics in (default: a temporary one, removed)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="narrows-kafka-") as scratch:
            control = options.port + 1 if options.controller_port is None else options.controller_port
            _serve(options.data or Path(scratch), options.port, control)
    except (KafkaUnavailableError, KafkaDiedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", flush=True)
    return 0


def _serve(folder: Path, port: int, controller_port: int) -> None:
    begin = time.monotonic()
    print("==> Apache Kafka (the first start on a machine fetches 44 MB of jars with Maven)", flush=True)
    with Broker(folder, port=port, controller_port=controller_port) as broker:
        print(f"<== ready after {time.monotonic() - begin:.1f} s; data and log in {folder}")
        print(f"bootstrap: {broker.bootstrap}\nstop it with Ctrl-C, or: kill {os.getpid()}", flush=True)
        broker.wait()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
