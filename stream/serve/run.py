"""Entry point of `narrows run`: starts the service, its health server and its signal handlers."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import structlog

from stream.errors import BundleError
from stream.kafka.client import KafkaOptions
from stream.serve.connection import kafka_options
from stream.serve.health import Health, HealthBoard, longest_turn_s
from stream.serve.logs import configure
from stream.settings import Settings
from stream.settings.quantities import parse_address

log = structlog.get_logger()


def run(settings: Settings, bundle: str | None = None) -> None:
    """Serves until SIGTERM or SIGINT; then commits, leaves the group and returns.

    Raises:
        ConfigError: the address `serve.health` cannot be listened on.
        BundleError: the bundle cannot be served.
        BrokerError: topics do not fit, or the broker refuses what a retry cannot fix.
    """
    configure(settings.serve.log_format)
    options = kafka_options(settings)
    with _health_server(settings.serve.health, options) as show:
        _serve(settings, bundle, options, show)


@contextlib.contextmanager
def _health_server(address: str | None, options: KafkaOptions) -> Iterator[Callable[[Health], None]]:
    """Answers health requests at the address, if there is one; gives the function that takes the health."""
    if address is None:
        yield lambda health: None
        return
    from stream.serve.health_server import HealthServer

    board = HealthBoard(longest_turn_s(options.transaction_timeout_ms / 1000))
    with HealthServer(*parse_address(address), board):
        yield board.show


def _serve(settings: Settings, bundle: str | None, options: KafkaOptions, show: Callable[[Health], None]) -> None:
    """Checks bundle and topics, and only then makes the clients that would fence a process of the same name."""
    import torch

    from stream.kafka.admin import topics
    from stream.kafka.admin.checks import snapshot_bytes
    from stream.serve.compose import bundle_of, bundle_source, decoder
    from stream.serve.mutes import MutedBundles, MuteTopic, muted
    from stream.serve.service import Service
    from stream.settings.overruled import overruled

    # One thread for the model: the other cores serve librdkafka. Results are the same with any number of threads.
    torch.set_num_threads(1)
    folder, manifest, definition = bundle_of(settings, bundle)
    reference = settings.bundle if bundle is None else bundle
    if definition.detector != settings.detector:
        raise BundleError(
            f"{folder}: a bundle of detector {definition.detector!r}, expected {settings.detector!r}: alert ids depend "
            "on the detector; set `detector`, or name a bundle of this one"
        )
    for difference in overruled(settings, manifest):
        log.warning(
            "setting.not_in_force",
            setting=difference.path,
            configured=difference.configured,
            bundle=difference.in_force,
            do=difference.remedy,
        )
    topics.check(options, snapshot_bytes(definition))
    mutes = MuteTopic(options)
    service = Service(
        options,
        settings.serve,
        muted(definition, mutes.records()),
        lambda served: decoder(settings, served),
        bundles=MutedBundles(bundle_source(settings, reference, definition), mutes),
        show=show,
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    service.run()
