"""Training of discriminators: their effect on anomalies and on normal windows, and what they depend on."""

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.model.autoencoders import load
from stream.detect.model.discriminator import PREFIX
from stream.detect.model.discriminator_penalty import MAX_PENALTY
from stream.detect.model.ensemble import Ensemble
from tests.support.builders import a_spec
from tests.support.options import fit_options
from training.data.synthetic import KINDS, Kind, inject
from training.fitting.discriminator import UNDECIDED_LOSS, FittedDiscriminator, fit_discriminator
from training.fitting.error_scale import error_scales, member_error_scales
from training.fitting.fit import fit

WINDOW, SENSORS, ROWS = 8, 4, 1200
FIT, STOP, HELD_OUT, LATER = np.split(np.arange(WINDOW - 1, ROWS), [500, 600, 900])
ONE_SERIES = np.zeros(len(HELD_OUT), np.int32)
SPEC = a_spec("dense", WINDOW, 1, SENSORS, 12, 2, members=2, error_span="window", noise=0.3)
JUDGED = msgspec.structs.replace(SPEC, discriminator=16)


def correlated() -> NDArray[np.float32]:
    """Sensors that follow one slow cause, each with noise of its own."""
    draw = np.random.default_rng(0)
    cause = np.sin(np.arange(ROWS) / 9)[:, None]
    values = cause * [1.0, -1.0, 2.0, 0.5] + draw.standard_normal((ROWS, SENSORS)) * [0.1, 0.1, 0.1, 0.5]
    scaled: NDArray[np.float32] = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    return scaled


FRAMES = correlated()


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Weights of two autoencoders."""
    options = fit_options(max_epochs=6, min_windows=2048, batch_size=64, learning_rate=5e-3)
    return fit(FRAMES, None, FIT, STOP, SPEC, options, lambda epoch: None).weights


def trained(
    weights: dict[str, Tensor],
    members: tuple[int, ...] = (0, 1),
    masked: NDArray[np.bool_] | None = None,
    kinds: tuple[Kind, ...] = KINDS,
    max_epochs: int = 4,
) -> FittedDiscriminator:
    """Fits the discriminators of these members. The autoencoders have the seeds 0 and 1."""
    spec, own = (msgspec.structs.replace(of, members=len(members)) for of in (SPEC, JUDGED))
    mine, spread = {name: value[list(members)] for name, value in weights.items()}, plain(weights).error_scales
    frames = FRAMES if masked is None else np.where(masked, np.float32(0), FRAMES)
    ends = (FIT, STOP, HELD_OUT)
    spreads = member_error_scales(Ensemble(spec, mine), frames, masked, HELD_OUT, ONE_SERIES)
    model, ensemble = load(own, mine), Ensemble(spec, mine, spread)
    return fit_discriminator(model, ensemble, spreads, frames, masked, *ends, members, max_epochs, kinds)


def plain(weights: dict[str, Tensor]) -> Ensemble:
    return Ensemble(SPEC, weights, error_scales(Ensemble(SPEC, weights), FRAMES, None, HELD_OUT, ONE_SERIES))


def judging(weights: dict[str, Tensor], found: FittedDiscriminator) -> Ensemble:
    return Ensemble(JUDGED, weights | found.weights, plain(weights).error_scales)


@pytest.fixture(scope="module")
def found(weights: dict[str, Tensor]) -> FittedDiscriminator:
    return trained(weights)


def with_anomalies(kind: Kind, size: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The later windows, which nothing was trained on, one after another, each with an anomaly; and their ends."""
    strips = np.stack([FRAMES[end - WINDOW + 1 : end + 1] for end in LATER])
    made = inject(strips, kind, size, seed=3, begin=2).segments
    return np.ascontiguousarray(made.reshape(-1, SENSORS)), np.arange(1, len(made) + 1) * WINDOW - 1


def test_normal_windows_keep_their_error_to_the_bit_and_anomalies_gain(
    weights: dict[str, Tensor], found: FittedDiscriminator
) -> None:
    """A hundredth of held-out windows lies above the floor of a sensor, so most lie above none. Gains have a limit."""
    assert max(found.stop_loss) < 0.97 * UNDECIDED_LOSS
    without, judged = plain(weights), judging(weights, found)
    before, after = (ensemble.errors(FRAMES, HELD_OUT).error for ensemble in (without, judged))
    assert (after == before).mean() >= 1 - 0.01 * SPEC.members * SENSORS - 1e-9
    assert (after > before).any()
    frames, ends = with_anomalies("level_shift", 2.0)
    gain = judged.errors(frames, ends).error - without.errors(frames, ends).error
    assert (gain > 0).mean() > 0.3
    assert (gain >= 0).all()
    assert gain.max() <= MAX_PENALTY * float(found.weights[PREFIX + "reach"].max()) * (1 + 1e-6)


def test_a_kind_that_was_not_trained_on_is_told_all_the_same(weights: dict[str, Tensor]) -> None:
    left_out = trained(weights, kinds=tuple(kind for kind in KINDS if kind != "drift"))
    frames, ends = with_anomalies("drift", 4.0)
    gain = judging(weights, left_out).errors(frames, ends).error - plain(weights).errors(frames, ends).error
    normal = judging(weights, left_out).errors(FRAMES, LATER).error - plain(weights).errors(FRAMES, LATER).error
    assert gain.mean() > 3 * normal.mean()


def test_a_members_discriminator_is_the_one_that_it_has_alone(
    weights: dict[str, Tensor], found: FittedDiscriminator
) -> None:
    """Seed, weights and patience of the other have no effect, nor has the generator of torch or an earlier run."""
    torch.manual_seed(99)
    for member in (0, 1):
        alone = trained(weights, (member,))
        assert alone.epochs[0] == found.epochs[member]
        for name, value in alone.weights.items():
            np.testing.assert_allclose(value[0], found.weights[name][member], rtol=1e-3, atol=1e-4)
    again = trained(weights)
    assert all(torch.equal(value, found.weights[name]) for name, value in again.weights.items())


def test_a_sensor_that_is_always_masked_has_no_say_and_the_others_speak(weights: dict[str, Tensor]) -> None:
    masked = np.zeros(FRAMES.shape, np.bool_)
    masked[:, 1] = True
    masked[::50, 2] = True
    found = trained(weights, masked=masked, max_epochs=2)
    slope = found.weights[PREFIX + "slope"].numpy()
    assert (slope[:, 1] == 0).all()
    assert (slope[:, [0, 2, 3]] > 0).all()
    assert np.isfinite(judging(weights, found).errors(FRAMES, LATER, masked).error).all()


@pytest.mark.parametrize("span", ["newest", "both"])
def test_a_window_of_one_value_has_a_discriminator_too(span: str) -> None:
    """Few kinds of anomaly fit into it. Training uses these."""
    spec = a_spec("dense", 1, 1, 1, 2, 1, error_span=span, discriminator=4)
    bare = msgspec.structs.replace(spec, discriminator=0)
    frames = np.ascontiguousarray(FRAMES[:, :1])
    weights = fit(frames, None, FIT, STOP, bare, fit_options(max_epochs=1, min_windows=256), lambda epoch: None).weights
    ensemble = Ensemble(bare, weights)
    ends, spreads = (FIT, STOP, HELD_OUT), np.ones((1, 1))
    found = fit_discriminator(load(spec, weights), ensemble, spreads, frames, None, *ends, (0,), max_epochs=1)
    assert np.isfinite(Ensemble(spec, weights | found.weights).errors(frames, LATER).error).all()
