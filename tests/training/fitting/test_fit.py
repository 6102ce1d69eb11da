"""Training learns, stops, keeps the best weights of each member, and is deterministic."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stream.detect.model.autoencoders import load
from stream.detect.policy import ModelSpec
from stream.errors import DataError, ShapeError
from tests.oracles.naive_errors import naive_errors
from tests.support.builders import a_spec
from tests.support.options import fit_options
from training.fitting.fit import Epoch, FittedMembers, epochs_left, fit, seeds_of
from training.options import FitOptions

ROWS, WINDOW, SENSORS = 800, 4, 6
FIT, STOP = np.arange(WINDOW - 1, 600), np.arange(610, ROWS)
QUICK = fit_options(max_epochs=4, min_windows=1024, batch_size=64, learning_rate=5e-3)


def spec_of(kind: str = "dense", members: int = 2, **others: object) -> ModelSpec:
    sizes = {"window": WINDOW, "smoothing": 1, "sensors": SENSORS, "hidden": 16, "latent": 4, "members": members}
    return a_spec(**{"kind": kind, **sizes, **others})


def correlated(seed: int = 0) -> NDArray[np.float32]:
    """Six sensors that follow two hidden, smooth causes, scaled."""
    draw = np.random.default_rng(seed)
    causes = np.stack([np.sin(np.arange(ROWS) / 9), np.cos(np.arange(ROWS) / 23)], axis=1)
    values = causes @ draw.standard_normal((2, SENSORS)) + 0.05 * draw.standard_normal((ROWS, SENSORS))
    scaled: NDArray[np.float32] = ((values - values.mean(0)) / values.std(0)).astype(np.float32)
    return scaled


def ignore(_: Epoch) -> None:
    pass


def quick(spec: ModelSpec, options: FitOptions = QUICK, masked: NDArray[np.bool_] | None = None) -> FittedMembers:
    frames = correlated()
    if masked is not None:
        frames[masked] = 0.0
    return fit(frames, masked, FIT, STOP, spec, options, ignore)


def slow_stop_losses(spec: ModelSpec, fitted: FittedMembers, masked: NDArray[np.bool_]) -> list[float]:
    """One window at a time: the mean over the unmasked cells of all stop windows, per member."""
    frames, model = correlated(), load(spec, fitted.weights)
    frames[masked] = 0.0
    total = [0.0] * spec.members
    cells = 0
    for end in STOP:
        rows = slice(end - WINDOW + 1, end + 1)
        window = torch.from_numpy(frames[rows]).expand(spec.members, 1, WINDOW, SENSORS)
        made = model(window)[:, 0].numpy()
        unmasked = int((~masked[rows]).sum())
        cells += unmasked
        for member in range(spec.members):
            error, _ = naive_errors(
                made[member].tolist(), frames[rows].tolist(), masked[rows].tolist(), spec.loss, [1.0] * SENSORS
            )
            total[member] += error * unmasked
    return [value / cells for value in total]


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_it_learns_what_its_sensors_have_in_common(kind: str) -> None:
    """The variance is 1 and the noise 0.01 or less: most of it is explained within a few hundred steps."""
    options = fit_options(max_epochs=20, min_windows=2048, batch_size=64, learning_rate=5e-3)
    fitted = quick(spec_of(kind), options)
    assert max(fitted.best_loss) < 0.1
    assert fitted.epochs[-1].loss < fitted.epochs[0].loss / 2


@pytest.mark.parametrize(("share", "loss"), [(0.0, "mse"), (0.3, "mse"), (0.3, "huber")])
def test_the_kept_weights_are_those_of_the_best_stop_loss_of_each_member(share: float, loss: str) -> None:
    masked = np.random.default_rng(1).random((ROWS, SENSORS)) < share
    spec = spec_of(members=3, noise=0.1, loss=loss)
    # A wild rate, so that the last epoch is not the best one.
    fitted = quick(spec, fit_options(max_epochs=10, min_windows=512, batch_size=32, learning_rate=0.2), masked)
    np.testing.assert_allclose(fitted.best_loss, slow_stop_losses(spec, fitted, masked), rtol=1e-4)
    assert np.mean(fitted.best_loss) <= min(epoch.stop_loss for epoch in fitted.epochs) * (1 + 1e-6)
    assert any(best < len(fitted.epochs) for best in fitted.best_epoch)


def test_the_loss_of_training_is_told_per_member_of_the_epoch_that_its_weights_are_from() -> None:
    one = quick(spec_of(members=1))
    assert one.fit_loss == pytest.approx([one.epochs[one.best_epoch[0] - 1].loss])
    three = quick(spec_of(members=3), fit_options(QUICK, max_epochs=1))
    assert len(set(three.fit_loss)) == 3
    assert np.mean(three.fit_loss) == pytest.approx(three.epochs[0].loss)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, second = quick(spec_of(noise=0.3)).weights, quick(spec_of(noise=0.3)).weights
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = quick(spec_of(noise=0.3), fit_options(QUICK, seed=9)).weights
    assert not torch.equal(first["encode.weight"], other["encode.weight"])


@pytest.mark.parametrize(("kind", "noise", "dropout"), [("dense", 0.0, 0.0), ("dense", 0.3, 0.3), ("conv", 0.3, 0.3)])
def test_a_member_depends_on_its_own_seed_and_not_on_how_many_others_there_are(
    kind: str, noise: float, dropout: float
) -> None:
    """Orders, blanks, dropout, cooling and the end of training are its own: among others it ends where it would alone.

    The rate is wild and patience short, so that members cool down and are done at different epochs.
    """
    options = fit_options(
        max_epochs=30, min_windows=512, batch_size=64, learning_rate=2e-2, patience=2, improvement=0.05
    )
    together = quick(spec_of(kind, members=3, dropout=dropout, noise=noise), options)
    assert len(set(together.best_epoch)) > 1
    for member in range(3):
        alone = quick(spec_of(kind, members=1, dropout=dropout, noise=noise), fit_options(options, seed=member))
        assert alone.best_epoch == together.best_epoch[member : member + 1]
        for name, value in alone.weights.items():
            torch.testing.assert_close(together.weights[name][member], value[0], rtol=1e-3, atol=1e-4)


def test_a_model_trained_with_blanked_cells_fills_in_a_sensor_that_it_does_not_see() -> None:
    """The clean window is what it is trained to make: a sensor at 0 is made from the others."""
    options = fit_options(max_epochs=20, min_windows=2048, batch_size=64, learning_rate=5e-3)
    windows = torch.from_numpy(correlated()).unfold(0, WINDOW, 1).transpose(1, 2)[STOP - WINDOW + 1]  # (N, W, F)
    blanked = windows.clone()
    blanked[:, :, 2] = 0.0
    left = {}
    for noise in (0.0, 0.3):
        spec = spec_of(members=1, noise=noise)
        made = load(spec, quick(spec, options).weights)(blanked[None])[0]
        left[noise] = float((made - windows)[:, :, 2].square().mean() / windows[:, :, 2].square().mean())
    assert left[0.3] < 0.2
    assert left[0.3] < left[0.0] / 2


def test_a_window_of_one_value_is_learned_with_blanks_too() -> None:
    spec = a_spec("dense", 1, 1, 1, 4, 1, noise=0.3)
    fitted = fit(correlated()[:, :1].copy(), None, FIT, STOP, spec, QUICK, ignore)
    assert np.isfinite(fitted.best_loss).all()


def test_training_ends_once_no_member_improves() -> None:
    options = fit_options(learning_rate=0.0, patience=3, min_windows=256, max_epochs=50)
    fitted = quick(spec_of(), options)
    assert fitted.stopped_early
    assert [epoch.stale for epoch in fitted.epochs] == [0, 1, 2, 3]
    assert fitted.best_epoch == (1, 1)


def test_training_ends_at_the_last_epoch_allowed_and_reports_each() -> None:
    seen: list[Epoch] = []
    fitted = fit(correlated(), None, FIT, STOP, spec_of(), QUICK, seen.append)
    assert not fitted.stopped_early
    assert tuple(seen) == fitted.epochs
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4]
    assert seen[-1].seconds_left == 0.0
    assert all(epoch.windows_per_s > 0 for epoch in seen)


def test_ctrl_c_comes_through_and_the_random_state_of_others_is_left_alone() -> None:
    def interrupt(_: Epoch) -> None:
        raise KeyboardInterrupt

    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fit(correlated(), None, FIT, STOP, spec_of(), QUICK, interrupt)
    assert torch.equal(torch.get_rng_state(), before)


def test_frames_that_may_not_be_written_are_read() -> None:
    frames = correlated()
    frames.flags.writeable = False
    ends = FIT.copy()
    ends.flags.writeable = False
    assert len(fit(frames, None, ends, STOP, spec_of(), QUICK, ignore).epochs) == 4


def test_too_few_windows_are_named_with_what_is_needed() -> None:
    with pytest.raises(DataError, match="49 windows of 4 frames to fit, needed 50"):
        fit(correlated(), None, FIT[:49], STOP, spec_of(), QUICK, ignore)
    with pytest.raises(DataError, match="0 windows of 4 frames to stop, needed 5"):
        fit(correlated(), None, FIT, STOP[:0], spec_of(), QUICK, ignore)


def test_windows_outside_the_frames_are_refused() -> None:
    with pytest.raises(ShapeError, match="fit windows end at 2 to 598; over 800 frames, windows of 4 end at 3 to 799"):
        fit(correlated(), None, FIT - 1, STOP, spec_of(), QUICK, ignore)
    with pytest.raises(ShapeError, match="stop windows end at 611 to 800"):
        fit(correlated(), None, FIT, STOP + 1, spec_of(), QUICK, ignore)


def test_values_that_are_not_finite_are_a_fault_of_the_data() -> None:
    frames = correlated()
    frames[50, 2] = np.nan
    with pytest.raises(DataError, match=r"training diverged: stop loss \[nan, nan\]"):
        fit(frames, None, FIT, STOP, spec_of(), QUICK, ignore)


def test_seeds_follow_on_from_the_first() -> None:
    assert seeds_of(spec_of(members=3), fit_options(seed=40)) == (40, 41, 42)


def test_the_time_left_is_an_estimate_of_the_end_by_patience_and_never_beyond_the_last_epoch() -> None:
    """Improved up to epoch 8 and ended at 18: the estimate at each epoch is within a factor of 2 of the truth."""
    assert epochs_left(2, 0, patience=10, most=200) is None
    stale = [0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    for number, since in enumerate(stale[2:], 3):
        left = epochs_left(number, since, patience=10, most=200)
        assert left is not None
        assert 0.5 <= left / (18 - number) <= 2.0
    assert epochs_left(190, 0, patience=10, most=195) == 5
    assert epochs_left(20, 10, patience=10, most=200) == epochs_left(200, 0, patience=10, most=200) == 0
