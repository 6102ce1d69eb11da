"""A producer that is introduced to the broker while the process still loads.

Where a dead predecessor of the same name has left a transaction open, the broker ends it first: half a second, which
the import of torch takes anyway.
"""

import threading

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.kafka.client import CALL_SECONDS, GRACE_SECONDS, Clients, ErrorCallback, KafkaOptions


class EarlyProducer:
    """Begins with its making; what fails is left to be tried again, and named, by whoever needs the producer.

    Invariant: once the producer was asked for, nothing here holds it. One that was not let in goes on asking for as
    long as it lives, and when the broker answers, it fences the producer that was made in its place.
    """

    def __init__(self, options: KafkaOptions, clients: Clients = Clients()) -> None:  # noqa: B008 - frozen
        self._listener: ErrorCallback | None = None
        self._lock = threading.Lock()
        self._asked_for = False
        self._let_in: Producer | None = None
        producer = clients.producer(options, self._note)
        self._thread = threading.Thread(target=self._introduce, args=(producer,), daemon=True)
        self._thread.start()

    def producer(self, on_error: ErrorCallback) -> Producer | None:
        """The producer, once; its errors go to `on_error` from here on. None where the broker has not let it in."""
        self._listener = on_error
        self._thread.join(CALL_SECONDS + GRACE_SECONDS)
        with self._lock:
            self._asked_for = True
            let_in, self._let_in = self._let_in, None
        return let_in

    def _introduce(self, producer: Producer) -> None:
        try:
            producer.init_transactions(CALL_SECONDS)
        except KafkaException:
            return
        with self._lock:
            if not self._asked_for:
                self._let_in = producer

    def _note(self, error: KafkaError) -> None:
        if self._listener is not None:
            self._listener(error)
