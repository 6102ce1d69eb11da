"""The transactional producer of the process: made when it is needed, and made again after a fatal error."""

import contextlib
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from stream.errors import BrokerError, FencedError
from stream.kafka.client import TWIN_SECONDS, Clients, ErrorCallback, KafkaOptions, Remedy, remedy

log = structlog.get_logger()

# The call goes on where it stopped when it is made again; a signal to stop waits for as long.
INIT_SECONDS = 1.0
PURGE_SECONDS = 2.0
RETRY_SECONDS = 1.0
# Errors of `init_transactions` that a retry cannot fix, and what to do about them.
UNMENDABLE = {
    KafkaError.INVALID_TRANSACTION_TIMEOUT: "lower `serve.transaction_timeout`, or raise the broker's maximum",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "grant this user Write on its transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "grant this user IdempotentWrite",
}


class TransactionalProducer:
    """The client's producer under the transactional id of this instance.

    1. `prepare` makes a client and initialises its transactions. The broker then aborts a transaction that a dead
    predecessor left open. 2. The client is used until `discard`. 3. The next `prepare` makes another one.

    Args:
        on_error: gets the errors of every client that is made here.
    """

    def __init__(
        self,
        options: KafkaOptions,
        on_error: ErrorCallback,
        clock: Callable[[], float],
        clients: Clients,
    ) -> None:
        self._options = options
        self._on_error = on_error
        self._clock = clock
        self._clients = clients
        # The client that is ready for transactions; None before `prepare` and after `discard`.
        self.client: Producer | None = None
        # A client whose transactions are not initialised: the broker is away, or still aborts an older transaction.
        self._candidate: Producer | None = None
        # No candidate is made or tried before this time.
        self._retry_at = clock()
        self._fenced_at: float | None = None

    def prepare(self) -> bool:
        """Makes the client ready; False where the broker has not accepted it yet: call again later.

        Raises:
            BrokerError: the broker refuses for a reason that a retry cannot fix.
            FencedError: another process uses the transactional id.
        """
        if self.client is not None:
            return True
        if self._clock() < self._retry_at:
            return False
        if self._candidate is None:
            self._candidate = self._clients.producer(self._options, self._on_error)
        try:
            self._candidate.init_transactions(INIT_SECONDS)
        except KafkaException as fault:
            self._handle_refusal(fault)
            return False
        self.client, self._candidate = self._candidate, None
        return True

    def delay(self, seconds: float) -> None:
        """No new client is made within the next `seconds`."""
        self._retry_at = self._clock() + seconds

    def discard(self, fault: BaseException, needed: Remedy) -> None:
        """Gives the client up after an error that an abort cannot fix.

        Raises:
            FencedError: the second fencing within TWIN_SECONDS, whichever calls reported the two.
        """
        log.warning("producer.discarded", error=str(fault))
        client, self.client = self.client, None
        if client is not None:
            # A failed client that is dropped with a full queue crashes the process (librdkafka 2.16.0).
            with contextlib.suppress(KafkaException, SystemError):
                client.purge()
                client.flush(PURGE_SECONDS)
        if needed is Remedy.FENCED:
            self._note_fencing()

    def _handle_refusal(self, fault: KafkaException) -> None:
        """Decides after a failed `init_transactions`: call it again, make another client, or raise."""
        error = fault.args[0]
        if error.code() in UNMENDABLE:
            raise BrokerError(f"{error.str()}; {UNMENDABLE[error.code()]}") from fault
        if remedy(fault) is Remedy.FENCED:
            self._note_fencing()
        if error.retriable() or error.code() == KafkaError._TIMED_OUT:
            return
        log.warning("transaction.not_ready", error=error.str())
        self._candidate = None
        self.delay(RETRY_SECONDS)

    def _note_fencing(self) -> None:
        before, self._fenced_at = self._fenced_at, self._clock()
        if before is not None and self._fenced_at - before < TWIN_SECONDS:
            raise FencedError(
                f"instance {self._options.instance!r} of group {self._options.group!r} was fenced twice within "
                f"{TWIN_SECONDS:.0f} s: another process runs under this name; give each its own `kafka.instance`"
            )
