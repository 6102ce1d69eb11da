"""Limit of all contenders: the client delivers messages with the fetch settings of narrows, and nothing else."""

import time

from confluent_kafka import KafkaError, TopicPartition

from stream.errors import BrokerError
from stream.kafka.client import main_consumer
from stream.settings.serve import ServeSettings
from tests.bench.job import PATIENCE_S, Job, Measurement, Stopwatch, answer


def measure(job: Job) -> Measurement:
    """Measures from the first message, which is not counted, to the last."""
    pace = ServeSettings()
    consumer = main_consumer(job.kafka(), _fail)
    consumer.assign([TopicPartition(job.input, number, 0) for number in range(job.partitions)])
    # Each partition ends with an end event. It is counted with the records, so that no record has to be inspected.
    expected = job.readings + job.partitions
    first = total = 0
    deadline = time.monotonic() + PATIENCE_S
    while not first and time.monotonic() < deadline:
        first = total = len(consumer.consume(1, pace.poll / 1e9))
    stopwatch = Stopwatch()
    while total < expected and time.monotonic() < deadline:
        total += len(consumer.consume(pace.batch, pace.poll / 1e9))
    seconds = stopwatch.read()
    consumer.close()
    return Measurement(total - first - job.partitions, *seconds, {"received": total - job.partitions})


def _fail(error: KafkaError) -> None:
    raise BrokerError(error.str())


if __name__ == "__main__":
    answer(measure)
