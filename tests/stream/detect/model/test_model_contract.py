"""The contract of every model kind in `KINDS`; a kind that is added is tested too."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load as unpacked
from safetensors.torch import save as packed

from stream.detect.model.autoencoders import KINDS, build, load
from stream.detect.model.discriminator import PREFIX, split_weights
from stream.detect.model.discriminator import load as load_discriminator
from stream.detect.model.ensemble import Ensemble
from stream.detect.policy import VIEWS, ModelSpec
from stream.errors import ShapeError
from tests.support.builders import a_spec, weights_of
from tests.support.options import fit_options
from training.fitting.error_scale import error_scales
from training.fitting.fit import fit

SHORTEST = {name: kind.min_window for name, kind in KINDS.items()}
# Windows and sensors; the shortest window of a kind, one value in it, and numbers that fit no multiple of anything.
SHAPES = [
    (kind, max(window, SHORTEST[kind]), sensors)
    for kind in KINDS
    for window, sensors in ((1, 1), (1, 2), (1, 50), (8, 1), (7, 3), (32, 8))
]
SPANS = ("newest", "window", "both")


def spec_of(kind: str, window: int, sensors: int, members: int = 1, **others: object) -> ModelSpec:
    latent = min(3, max(1, window * sensors - 1))
    sizes = {"window": window, "smoothing": 1, "sensors": sensors, "hidden": 6, "latent": latent, "members": members}
    return a_spec(**{"kind": kind, **sizes, **others})


def ensemble_of(spec: ModelSpec) -> Ensemble:
    return Ensemble(spec, weights_of(spec, range(spec.members)))


def windows_for(spec: ModelSpec, count: int = 5) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(spec.members, count, spec.window, spec.sensors, generator=draw)


def frames_of(rows: int, sensors: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((rows, sensors)).astype(np.float32)


def correlated(rows: int = 500) -> NDArray[np.float32]:
    """Four sensors that follow one smooth cause, the last the least, scaled."""
    draw = np.random.default_rng(0)
    cause = np.sin(np.arange(rows) / 9)[:, None]
    values = cause * [1.0, -1.0, 2.0, 0.5] + draw.standard_normal((rows, 4)) * [0.1, 0.1, 0.1, 0.5]
    scaled: NDArray[np.float32] = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    return scaled


@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_a_reconstruction_has_the_shape_of_its_windows(kind: str, window: int, sensors: int) -> None:
    spec = spec_of(kind, window, sensors, members=3)
    assert build(spec, [1, 2, 3])(windows_for(spec)).shape == (3, 5, window, sensors)


@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_a_members_weights_depend_on_its_own_seed_only(kind: str, window: int, sensors: int) -> None:
    together = build(spec_of(kind, window, sensors, members=5), [7, 0, 3, 11, 5]).weights()
    for member, seed in enumerate([7, 0, 3, 11, 5]):
        alone = build(spec_of(kind, window, sensors), [seed]).weights()
        assert all(torch.equal(together[name][member], alone[name][0]) for name in alone)
    assert not torch.equal(together[next(iter(together))][0], together[next(iter(together))][1])


@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_members_do_not_see_each_others_windows(kind: str, window: int, sensors: int) -> None:
    """A gradient of member 0's output reaches member 0's windows and weights, and no other's."""
    spec = spec_of(kind, window, sensors, members=2, dropout=0.0)
    model, windows = build(spec, [1, 2]), windows_for(spec).requires_grad_()
    model(windows)[0].square().sum().backward()
    assert windows.grad is not None
    assert windows.grad[0].abs().sum() > 0
    assert windows.grad[1].abs().sum() == 0
    reached = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert reached
    assert all(gradient[1].abs().sum() == 0 for gradient in reached)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_survive_the_file_that_holds_them(kind: str) -> None:
    spec = spec_of(kind, 8, 4, members=2)
    model = build(spec, [1, 2])
    again = load(spec, unpacked(packed(model.weights())))
    assert not again.training
    assert torch.equal(model.eval()(windows_for(spec)), again(windows_for(spec)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_shortest_window_is_legal_and_a_shorter_one_refused(kind: str) -> None:
    spec = spec_of(kind, SHORTEST[kind], 2)
    assert build(spec, [0])(windows_for(spec)).shape == (1, 5, SHORTEST[kind], 2)
    with pytest.raises(ShapeError, match=r"window of at least 4 frames, seen 3|at least 1, seen \{'window': 0\}"):
        build(spec_of(kind, SHORTEST[kind] - 1, 2, latent=1), [0])


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_the_frozen_form_makes_what_the_trainable_form_makes(kind: str, window: int, sensors: int, span: str) -> None:
    spec = spec_of(kind, window, sensors, members=3, error_span=span)
    weights, frames, ends = build(spec, [0, 1, 2]).weights(), frames_of(window + 9, sensors), np.arange(10) + window - 1
    windows = torch.from_numpy(np.stack([frames[end - window + 1 : end + 1] for end in ends]))
    made = load(spec, weights)(windows.expand(3, -1, -1, -1))  # (K, N, W, F)
    square = (made - windows).square()
    found = Ensemble(spec, weights).errors(frames, ends)
    np.testing.assert_allclose(found.members, made[:, :, -1].permute(0, 2, 1), rtol=1e-5, atol=1e-6)
    views = {"newest": square[:, :, -1], "window": square.mean(dim=2)}  # (K, N, F) each
    each = {view: np.median(views[view].mean(dim=2), axis=0) for view in spec.views}
    np.testing.assert_allclose(found.error, np.max(list(each.values()), axis=0), rtol=1e-4, atol=1e-6)
    for row, view in enumerate(found.view.tolist()):
        expected = views[VIEWS[view]][:, row]
        np.testing.assert_allclose(found.by_sensor[:, :, row], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("discriminator", [0, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_a_member_makes_among_others_what_it_makes_alone(kind: str, discriminator: int) -> None:
    """The same reconstruction, and the same error with the penalty of its discriminator."""
    spec, frames = spec_of(kind, 8, 4, members=5, discriminator=discriminator), frames_of(50, 4)
    together, weights = ensemble_of(spec).errors(frames, np.arange(7, 50)), weights_of(spec, range(5))
    by_member = []
    for member in range(5):
        own = {name: value[[member]] for name, value in weights.items()}
        alone = Ensemble(spec_of(kind, 8, 4, discriminator=discriminator), own).errors(frames, np.arange(7, 50))
        np.testing.assert_allclose(together.by_sensor[member], alone.by_sensor[0], rtol=1e-4, atol=1e-6)
        by_member.append(alone.error)
    np.testing.assert_allclose(together.error, np.median(by_member, axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_a_discriminator_adds_what_its_trainable_form_says_and_leaves_the_rest_alone(
    kind: str, window: int, sensors: int, span: str
) -> None:
    """A penalty of 0 to three reaches; the errors per sensor stay the same, to the bit."""
    spec = spec_of(kind, window, sensors, members=3, error_span=span, discriminator=6)
    weights, frames, ends = weights_of(spec, range(3)), frames_of(window + 39, sensors), np.arange(40) + window - 1
    autoencoder, judges = split_weights(weights)
    windows = torch.from_numpy(np.stack([frames[end - window + 1 : end + 1] for end in ends])).expand(3, -1, -1, -1)
    left = (load(spec, autoencoder)(windows) - windows)[:, :, -spec.error_frames :]
    judge = load_discriminator(spec, judges)
    odd = ((judge(left) - judge.floor[:, None]) * judge.slope[:, None]).clamp(0, 3).mean(dim=2) * judge.reach[:, None]
    plain = Ensemble(spec_of(kind, window, sensors, members=3, error_span=span), autoencoder).errors(frames, ends)
    found = Ensemble(spec, weights).errors(frames, ends)
    expected = np.median(left.square().mean(dim=(2, 3)).numpy() + odd.numpy(), axis=0)
    if len(spec.views) > 1:
        expected = np.maximum(expected, np.median(left[:, :, -1].square().mean(dim=2), axis=0))
    np.testing.assert_allclose(found.error, expected, rtol=1e-4, atol=1e-5)
    assert (odd.max(dim=1).values > 0).any()
    alike = found.view == plain.view
    assert found.by_sensor[:, :, alike].tobytes() == plain.by_sensor[:, :, alike].tobytes()
    assert found.members.tobytes() == plain.members.tobytes()
    for name in (f"{PREFIX}floor", f"{PREFIX}reach"):
        silent = weights | {name: weights[name] * 0 + (1e9 if "floor" in name else 0)}
        assert Ensemble(spec, silent).errors(frames, ends).error.tobytes() == plain.error.tobytes()


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize(("loss", "discriminator"), [("mse", 0), ("huber", 0), ("mse", 6)])
@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize(("kind", "window", "sensors"), SHAPES)
def test_a_windows_error_has_the_same_bits_wherever_it_lies(
    kind: str, window: int, sensors: int, members: int, loss: str, span: str, discriminator: int
) -> None:
    """Shuffled, alone, in uneven batches, from a matrix of its own: only the window counts."""
    spec = spec_of(kind, window, sensors, members, loss=loss, error_span=span, discriminator=discriminator)
    spread = np.stack([0.5 + np.arange(sensors) / 3] * len(spec.views))
    ensemble, frames = Ensemble(spec, weights_of(spec, range(members)), spread), frames_of(700, sensors)
    ends = np.arange(window - 1, 700)
    whole = ensemble.errors(frames, ends)
    order = np.random.default_rng(2).permutation(len(ends))
    shuffled = ensemble.errors(frames, ends[order])
    assert shuffled.error.tobytes() == whole.error[order].tobytes()
    assert shuffled.disagreement.tobytes() == whole.disagreement[order].tobytes()
    assert shuffled.by_sensor.tobytes() == whole.by_sensor[:, :, order].tobytes()
    cuts = np.split(ends, [1, 2, 9, 250, 256, 300])
    assert np.concatenate([ensemble.errors(frames, part).error for part in cuts]).tobytes() == whole.error.tobytes()
    own = frames[100 : 100 + window].copy()
    assert ensemble.errors(own, np.array([window - 1])).error.tobytes() == whole.error[[100]].tobytes()


@pytest.mark.parametrize("loss", ["mse", "huber"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_is_scored_with_the_loss_it_learned_with_and_counts_each_sensor_in_its_spread(
    kind: str, loss: str
) -> None:
    """The stop loss is the mean error of the stop windows; in units of its spread each sensor's mean error is 1."""
    spec = spec_of(kind, 4, 4, members=1, loss=loss, error_span="window", latent=2, hidden=12, noise=0.1)
    frames, stop = correlated(), np.arange(420, 500)
    options = fit_options(max_epochs=12, min_windows=2048, batch_size=64, learning_rate=5e-3, anneal=4)
    fitted = fit(frames, None, np.arange(3, 400), stop, spec, options, lambda epoch: None)
    plain = Ensemble(spec, fitted.weights)
    assert fitted.best_loss[0] < 0.5 * loss_of_zero(loss)
    assert fitted.best_loss[0] == pytest.approx(plain.errors(frames, stop).error.mean(), rel=1e-4)
    spread = error_scales(plain, frames, None, stop, np.zeros(len(stop), np.int32))
    assert spread.argmax() == 3, "the noisiest"
    found = Ensemble(spec, fitted.weights, spread).errors(frames, stop)
    np.testing.assert_allclose(found.by_sensor.mean(axis=2), 1.0, rtol=1e-4)
    assert found.error.mean() == pytest.approx(1.0, rel=1e-4)


def loss_of_zero(loss: str) -> float:
    """The loss of a model that reconstructs 0 everywhere."""
    size = np.abs(correlated()[420:])
    return float(np.where((loss == "huber") & (size > 1), 2 * size - 1, size**2).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_and_weights_of_other_shapes_are_refused(kind: str) -> None:
    spec = spec_of(kind, 4, 3)
    with pytest.raises(ShapeError, match=r"frames: seen float32 \(20, 2\), expected float32 \(P, 3\)"):
        ensemble_of(spec).errors(frames_of(20, 2), np.array([5]))
    with pytest.raises(ShapeError, match=r"weight 'output.*|weight 'code.*|weight 'encode.*|weight 'narrow1.*"):
        Ensemble(spec, build(spec_of(kind, 4, 2), [0]).weights())
    judged = spec_of(kind, 4, 3, discriminator=6, error_span="window")
    for name in ("unit", "slope", "reach"):
        with pytest.raises(ShapeError, match=f"discriminator: {name} of -1.*; retrain"):
            Ensemble(judged, weights_of(judged, [0]) | {PREFIX + name: -torch.ones(1, *[3] * (name != "reach"))})
    with pytest.raises(
        ShapeError, match=r"weights of a discriminator: missing \['first.bias', 'first.weight', 'floor'"
    ):
        Ensemble(judged, build(judged, [0]).weights())
    with pytest.raises(ShapeError, match=r"weights of a discriminator, .* but the model's sizes have none"):
        Ensemble(spec, weights_of(judged, [0]))
    with pytest.raises(ShapeError, match=r"weight 'first.weight': seen .* \(1, 6, 4\), expected .* \(1, 7, 4\)"):
        Ensemble(spec_of(kind, 4, 3, discriminator=7, error_span="window"), weights_of(judged, [0]))
    other = spec_of("conv" if kind != "conv" else "dense", 4, 3)
    with pytest.raises(ShapeError, match=f"weights of a {kind} model: missing .*, unknown"):
        Ensemble(spec, build(other, [0]).weights())
    with pytest.raises(ShapeError, match="latent 12 is not smaller than the window's 4 x 3 = 12 values"):
        ensemble_of(spec_of(kind, 4, 3, latent=12))
