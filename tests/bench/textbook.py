"""Loop of the textbooks: a message, a dict, a deque, a window through the model, one at a time."""

import json
import time
from collections import deque
from pathlib import Path

import torch
from confluent_kafka import Consumer, Producer
from torch import Tensor, nn

from stream.registry.bundle import load
from tests.bench.job import PATIENCE_S, Job, Measurement, Stopwatch, answer
from tests.bench.plant import HIDDEN, LATENT, SENSORS, SMOOTHING, THRESHOLD, WINDOW

COMMIT_S = 0.5


class Loop:
    """State of all series: windows of scaled frames and the last errors."""

    def __init__(self, job: Job) -> None:
        self._alerts = job.kafka().alerts
        self.producer = Producer({"bootstrap.servers": job.bootstrap})
        size = WINDOW * SENSORS
        self._model = nn.Sequential(
            nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, LATENT),
            nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, size),
        )  # fmt: skip
        scales = load(Path(job.bundle))[1].scales
        units = torch.tensor(scales.mean).float(), torch.tensor(scales.scale).float()
        self._units = dict(zip(scales.names, zip(*units, strict=True), strict=True))
        self._windows: dict[str, deque[Tensor]] = {}
        self._errors: dict[str, deque[float]] = {}
        self.scored = 0

    def take(self, key: bytes, value: bytes) -> None:
        """Processes one reading."""
        series, record = key.decode(), json.loads(value)
        frame = torch.tensor([record[f"s{f}"] for f in range(SENSORS)])
        window = self._windows.setdefault(series, deque(maxlen=WINDOW))
        mean, scale = self._units[series]
        window.append((frame - mean) / scale)
        if len(window) < WINDOW:
            return
        stacked = torch.stack(tuple(window)).flatten().unsqueeze(0)
        error = float(((self._model(stacked) - stacked) ** 2).mean())
        errors = self._errors.setdefault(series, deque(maxlen=SMOOTHING))
        errors.append(error)
        self.scored += 1
        if sum(errors) / len(errors) > THRESHOLD:
            alert = {"series": series, "time": record["time"], "score": sum(errors) / len(errors) / THRESHOLD}
            self.producer.produce(self._alerts, json.dumps(alert), series)


@torch.inference_mode()
def measure(job: Job) -> Measurement:
    """Measures the first `sample` readings; windows that are not yet full cost nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loop, received = Loop(job), 0
    group = {"group.id": job.name, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": job.bootstrap} | group)
    consumer.subscribe([job.input])
    deadline = time.monotonic() + PATIENCE_S
    stopwatch, committed = None, 0.0
    while received < job.sample and time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error() is not None:
            raise RuntimeError(message.error())
        stopwatch = stopwatch or Stopwatch()
        loop.take(message.key() or b"", message.value() or b"")
        received += 1
        if time.monotonic() - committed > COMMIT_S:
            loop.producer.flush()
            consumer.commit(asynchronous=True)
            committed = time.monotonic()
    if stopwatch is None:
        raise RuntimeError(f"{job.input}: no message within {PATIENCE_S:.0f} s")
    seconds = stopwatch.read()
    consumer.close()
    return Measurement(received, *seconds, {"received": received, "scored": loop.scored})


if __name__ == "__main__":
    answer(measure)
