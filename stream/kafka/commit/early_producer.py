"""A producer whose transactions are initialised in a thread, while the process still loads.

The broker first aborts the transaction that a dead predecessor of the same name left open. That takes half a second,
and the import of torch takes longer.
"""

import threading

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.kafka.client import CALL_SECONDS, GRACE_SECONDS, Clients, ErrorCallback, KafkaOptions


class EarlyProducer:
    """Starts in the constructor. Errors are not raised here: the caller retries and reports them.

    Invariant: once `producer` was called, this object holds no producer. A producer that the broker has not accepted
    keeps asking for as long as it lives. Accepted late, it would fence the one that was made in its place.
    """

    def __init__(self, options: KafkaOptions, clients: Clients = Clients()) -> None:  # noqa: B008 - frozen
        self._listener: ErrorCallback | None = None
        self._lock = threading.Lock()
        self._is_requested = False
        self._accepted: Producer | None = None
        producer = clients.producer(options, self._report)
        self._thread = threading.Thread(target=self._initialise, args=(producer,), daemon=True)
        self._thread.start()

    def producer(self, on_error: ErrorCallback) -> Producer | None:
        """Hands the producer over, once; None where the broker has not accepted it. `on_error` gets its errors."""
        self._listener = on_error
        self._thread.join(CALL_SECONDS + GRACE_SECONDS)
        with self._lock:
            self._is_requested = True
            accepted, self._accepted = self._accepted, None
        return accepted

    def _initialise(self, producer: Producer) -> None:
        try:
            producer.init_transactions(CALL_SECONDS)
        except KafkaException:
            return
        with self._lock:
            if not self._is_requested:
                self._accepted = producer

    def _report(self, error: KafkaError) -> None:
        if self._listener is not None:
            self._listener(error)
