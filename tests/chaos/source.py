"""Input without end, from a seed: fast and slow series, late and duplicate readings, late uploads, faults."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stream.detect.definition import Definition
from stream.detect.incidents.threshold import ThresholdTable
from tests.support.builders import SECOND, START, a_definition, a_policy, a_rules, a_spec

WINDOW = 8
SENSORS = 3
MS = 1_000_000
LOUDER = 4.0
# Share of the series of each kind, and its weight when a sender is drawn.
KINDS = {"fast": (0.55, 1.0), "slow": (0.25, 0.04), "gateway": (0.2, 0.02)}
STEPS = np.array([1, 0, -1, -3, 3, 9])
STEP_SHARES = [0.9, 0.03, 0.02, 0.01, 0.03, 0.01]
UPLOAD = (15, 60)
TROUBLE = (12, 40)
TROUBLE_BEGINS = 0.012


@dataclass
class _Sender:
    name: str
    kind: str
    clock: int = START
    trouble: int = 0


class Source:
    """Messages of `series` series without end; equal seeds give equal messages."""

    def __init__(self, series: int, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        shares = [share for share, _ in KINDS.values()]
        kinds = self._draw.choice(list(KINDS), series, p=shares).tolist()
        self.senders = [_Sender(f"{kind}-{i}", kind) for i, kind in enumerate(kinds)]
        weights = np.array([KINDS[kind][1] for kind in kinds])
        self._weights = weights / weights.sum()

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """Messages (series, value) in the order of sending: JSON with time in ms, s0, s1, s2."""
        while True:
            for at in self._draw.choice(len(self.senders), 1000, p=self._weights).tolist():
                sender = self.senders[at]
                # A gateway uploads its buffer: the times since its last upload.
                count = 1 if sender.kind != "gateway" else int(self._draw.integers(*UPLOAD))
                for _ in range(count):
                    yield sender.name, self._reading(sender)

    def _reading(self, sender: _Sender) -> bytes:
        draw = self._draw
        sender.clock += int(draw.choice(STEPS, p=STEP_SHARES)) * SECOND
        if sender.trouble:
            sender.trouble -= 1
        elif draw.random() < TROUBLE_BEGINS:
            sender.trouble = int(draw.integers(*TROUBLE))
        values = (draw.normal(size=SENSORS) * (LOUDER if sender.trouble else 1.0)).round(6).tolist()
        return json.dumps({"time": sender.clock // MS} | {f"s{i}": v for i, v in enumerate(values)}).encode()


def definition(threshold: float = 4.0) -> Definition:
    """An untrained model over windows of 8 with one scale and threshold for all series; only trouble exceeds it."""
    spec = a_spec(window=WINDOW, smoothing=4, sensors=SENSORS, hidden=8, latent=2)
    made = a_definition(spec, a_policy(), a_rules(close_after=3, update_every_ns=15 * SECOND), series=())
    thresholds = ThresholdTable(("",), np.array([threshold]), np.array([100]), made.thresholds.q)
    made.scales.mean[:], made.scales.scale[:] = 0.0, 1.0
    return replace(made, thresholds=thresholds)
