"""A producer that is introduced to the broker while the process still loads.

Where a dead predecessor of the same name has left a transaction open, the broker ends it first: half a second, which
the import of torch takes anyway.
"""

import threading

from confluent_kafka import KafkaError, KafkaException, Producer

from stream.kafka.client import CALL_SECONDS, ErrorCallback, KafkaOptions, transactional_producer


class Introduction:
    """Begins with its making; what fails is left to be tried again, and named, by whoever needs the producer."""

    def __init__(self, options: KafkaOptions) -> None:
        self._listener: ErrorCallback | None = None
        self._let_in = False
        self._producer = transactional_producer(options, self._note)
        self._thread = threading.Thread(target=self._introduce, daemon=True)
        self._thread.start()

    def producer(self, on_error: ErrorCallback) -> Producer | None:
        """The producer, once; its errors go to `on_error` from here on. None where the broker has not let it in."""
        self._listener = on_error
        self._thread.join(CALL_SECONDS)
        return self._producer if self._let_in else None

    def _introduce(self) -> None:
        try:
            self._producer.init_transactions(CALL_SECONDS)
        except KafkaException:
            return
        self._let_in = True

    def _note(self, error: KafkaError) -> None:
        if self._listener is not None:
            self._listener(error)
