"""The kinds of model: a new one is one file and one line, and settings offer all that are listed."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from stream.detect.detector import Detector
from stream.detect.model.autoencoders import KINDS
from stream.detect.model.kind import Autoencoder, ModelKind
from stream.detect.model.layers import Layer
from stream.detect.model.tiles import Tile, buffer, pack, product
from stream.detect.policy import ModelSpec
from stream.errors import BundleError
from stream.intake.tables.reader import Hints, discover
from stream.registry.bundle import load
from stream.replay import steps
from stream.settings.detection import ModelSettings
from tests.support.small_training import SMALL, a_history, made


class Bounded(Autoencoder):
    """W*F -> latent -> W*F with a code within [-2, 2]."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.code = Layer(spec.members, spec.latent, spec.window * spec.sensors)
        self.output = Layer(spec.members, spec.window * spec.sensors, spec.latent)

    def forward(self, windows: Tensor) -> Tensor:
        frames: Tensor = self.output(self.code(windows.flatten(2)).clamp(-2, 2))  # (K, N, W * F)
        return frames.view(windows.shape)


class BoundedTile(Tile):
    """The frozen form of `Bounded`."""

    def __init__(self, spec: ModelSpec, weights: Mapping[str, Tensor], rows: int) -> None:
        super().__init__(spec, rows)
        self._outputs = spec.error_frames * spec.sensors
        self._code, self._output = (
            pack(weights, "code", pad_inputs=False),
            pack(weights, "output", newest=self._outputs),
        )
        self._codes, self._result = buffer(self._code[1], rows), buffer(self._output[1], rows)

    def run(self) -> Tensor:
        for member, (weight, bias) in enumerate(zip(*self._code, strict=True)):
            torch.addmm(bias, weight, self.windows.t(), out=self._codes[member]).clamp_(-2, 2)
        return product(self._output, self._codes, self._result)[:, : self._outputs]


BOUNDED = ModelKind("bounded", Bounded, BoundedTile, usual_hidden=0)


def test_a_kind_that_is_listed_is_trained_frozen_published_loaded_and_scored_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the ordinary code: nothing else knows of it."""
    monkeypatch.setitem(KINDS, BOUNDED.name, BOUNDED)
    model = SMALL.model_copy(update={"kind": BOUNDED.name})  # settings offer the listed kinds only
    trained = made(tmp_path, a_history(), model=model)
    manifest, definition = load(trained.folder)
    assert (manifest.model.kind, manifest.model.hidden, manifest.model.dropout) == (BOUNDED.name, 0, 0.0)
    history = tmp_path / "history.parquet"
    verdicts = [step.outcome.verdicts for step in steps(Detector(definition), history, discover(history, Hints()))]
    assert sum(int(np.isfinite(seen.score).sum()) for seen in verdicts) > 3_000
    monkeypatch.delitem(KINDS, BOUNDED.name)
    with pytest.raises(BundleError, match="model kind 'bounded': expected one of dense, conv, variational, linear"):
        load(trained.folder)


def test_settings_offer_the_kinds_that_are_listed() -> None:
    assert get_args(ModelSettings.model_fields["kind"].annotation) == tuple(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_take_the_shortest_window_of_a_kind_and_refuse_a_shorter_one(kind: str) -> None:
    shortest = KINDS[kind].min_window
    assert ModelSettings.model_validate({"kind": kind, "window": shortest}).window == shortest
    with pytest.raises(ValidationError, match="window"):
        ModelSettings.model_validate({"kind": kind, "window": shortest - 1})
