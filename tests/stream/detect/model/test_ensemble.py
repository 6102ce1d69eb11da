"""Frozen inference: the right errors, and the same bits wherever a window lies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from stream.detect.model.autoencoders import build
from stream.detect.model.discriminator import PREFIX, split_weights
from stream.detect.model.ensemble import Ensemble, Reconstruction
from stream.detect.model.tiles import TILE_ROWS, Tile, first_steady, is_steady
from stream.detect.policy import VIEWS, ModelSpec
from stream.errors import ShapeError
from tests.oracles.naive_errors import naive_errors, naive_penalty
from tests.oracles.naive_models import Floats, naive_conv, naive_dense, naive_linear
from tests.support.builders import a_spec, weights_of

TAILS = np.array([1.5, 1.25])  # of the newest frame, of the window


def spec_of(
    kind: str,
    window: int,
    sensors: int,
    members: int,
    span: str = "newest",
    hidden: int = 10,
    loss: str = "mse",
    discriminator: int = 0,
) -> ModelSpec:
    latent = min(5, max(1, window * sensors - 1))
    sizes = (kind, window, 1, sensors, hidden, latent, members, 0.0, span, loss)
    return a_spec(*sizes, discriminator=discriminator)


def ensemble_of(spec: ModelSpec) -> Ensemble:
    """An ensemble in which each sensor has its own error scale, and each of two views its own tail."""
    scales = 0.5 + np.arange(spec.sensors) / 2
    if len(spec.views) == 1:
        return Ensemble(spec, weights_of(spec, range(spec.members)), scales)
    return Ensemble(spec, weights_of(spec, range(spec.members)), np.stack([scales[::-1], scales]), TAILS)


def frames_of(rows: int, sensors: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, sensors)).astype(np.float32)


def same_bits(left: Floats, right: Floats) -> bool:
    return left.tobytes() == right.tobytes()


def naive_reconstructions(spec: ModelSpec, window: Floats) -> Floats:
    """Reconstructions by all members, (K, W, F)."""
    stacked = build(spec, range(spec.members)).weights()
    naive = {"dense": naive_dense, "variational": naive_dense, "linear": naive_linear, "conv": naive_conv}[spec.kind]
    members = [{name: value[k].double().numpy() for name, value in stacked.items()} for k in range(spec.members)]
    return np.array([naive(weights, window) for weights in members])


def weights_of_member(judges: dict[str, Tensor], member: int) -> dict[str, Any]:
    """The weights of one member's discriminator as nested lists."""
    return {name.removeprefix(PREFIX): value[member].double().tolist() for name, value in judges.items()}


def naive_view(
    spec: ModelSpec,
    made: Floats,
    frames: NDArray[np.float32],
    masked: NDArray[np.bool_],
    scales: Floats,
    judges: dict[str, Tensor],
) -> tuple[float, Floats]:
    """Error of one window, and of each of its sensors, in the view of its last frames; `made` is (K, frames, F)."""
    count = made.shape[1]
    observed, left_out = frames[-count:].tolist(), masked[-count:].tolist()
    errors = [naive_errors(own, observed, left_out, spec.loss, scales.tolist()) for own in made.tolist()]
    by_member, by_sensor = np.array([error for error, _ in errors]), np.array([own for _, own in errors])
    if judges:
        added = [
            naive_penalty(own, observed, left_out, weights_of_member(judges, k)) for k, own in enumerate(made.tolist())
        ]
        assert sum(added) > 0
        by_member += added
    return float(np.median(by_member)), np.median(by_sensor, axis=0)


@pytest.mark.parametrize(("loss", "discriminator"), [("mse", 0), ("huber", 0), ("mse", 5)])
@pytest.mark.parametrize("span", ["newest", "window", "both"])
@pytest.mark.parametrize(
    ("kind", "window", "members"),
    [("dense", 1, 3), ("dense", 5, 4), ("conv", 6, 3), ("conv", 8, 2), ("variational", 5, 3), ("linear", 5, 3)],
)
def test_errors_are_those_of_the_slow_obvious_computation(
    kind: str, window: int, members: int, span: str, loss: str, discriminator: int
) -> None:
    """With the penalty of a discriminator: here for most windows, for some the largest one."""
    spec = spec_of(kind, window, 3, members, span, 4, loss, discriminator)
    judges = split_weights(weights_of(spec, range(members)))[1]
    frames, ends = 2 * frames_of(40, 3), np.array([window - 1, *range(9, 40), 20])
    masked = np.random.default_rng(1).random(frames.shape) < 0.2
    frames[masked] = 0.0
    ensemble = ensemble_of(spec)
    found = ensemble.errors(frames, ends, masked)
    for row, end in enumerate(ends):
        rows = slice(end - window + 1, end + 1)
        made = naive_reconstructions(spec, frames[rows].astype(np.float64))  # (K, W, F)
        views = {}
        for view, scales, tail in zip(spec.views, ensemble.error_scales, ensemble.tails, strict=True):
            spanned = made[:, -1:] if view == "newest" else made
            own = naive_view(
                spec, spanned, frames[rows], masked[rows], scales, judges if view == spec.views[-1] else {}
            )
            views[view] = own[0] / tail, own[1] / tail
        largest = max(views, key=lambda view: np.nan_to_num(views[view][0], nan=-1.0))
        error, by_sensor = views[largest]
        np.testing.assert_allclose(found.error[row], error, rtol=1e-5)
        np.testing.assert_allclose(found.per_sensor(row), by_sensor, rtol=1e-4, atol=1e-7)
        assert VIEWS[found.view[row]] == largest
        count = spec.error_frames
        left_out, centre = masked[rows][-count:].tolist(), made[:, -count:].mean(axis=0).tolist()
        usual = ensemble.error_scales[-1].tolist()
        variance = np.mean([naive_errors(m, centre, left_out, "mse", usual)[0] for m in made[:, -count:].tolist()])
        np.testing.assert_allclose(found.disagreement[row], variance / (1 + variance), rtol=1e-4)
        np.testing.assert_allclose(found.expected(row), np.median(made[:, -1], axis=0), rtol=1e-5, atol=1e-6)
    if span == "both" and window > 1 and not judges:
        assert set(found.view.tolist()) == {0, 1}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_split_of_any_sequence_of_windows_changes_a_bit(data: st.DataObject) -> None:
    """Sequences with repeats, in any order, of any length around the tile size, split anywhere, masked or not."""
    ensemble, frames, masked = PREPARED[data.draw(st.sampled_from(sorted(PREPARED)))]
    window = ensemble.spec.window
    count = data.draw(st.one_of(st.integers(0, 40), st.integers(TILE_ROWS - 2, 2 * TILE_ROWS + 2)))
    ends = np.random.default_rng(data.draw(st.integers(0, 99))).integers(window - 1, len(frames), count)
    mask = masked if data.draw(st.booleans()) else None
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=4)))
    whole = ensemble.errors(frames, ends, mask)
    parts = [ensemble.errors(frames, part, mask) for part in np.split(ends, cuts)]
    assert same_bits(np.concatenate([part.error for part in parts]), whole.error)
    assert same_bits(np.concatenate([part.disagreement for part in parts]), whole.disagreement)
    np.testing.assert_array_equal(np.concatenate([part.view for part in parts]), whole.view)


def prepared() -> Iterator[tuple[str, tuple[Ensemble, NDArray[np.float32], NDArray[np.bool_]]]]:
    for kind, window, members, span, loss, judge in (
        ("dense", 1, 1, "newest", "huber", 3),
        ("dense", 8, 5, "newest", "mse", 0),
        ("dense", 8, 2, "window", "huber", 0),
        ("dense", 8, 3, "window", "mse", 16),
        ("conv", 8, 3, "newest", "mse", 16),
        ("conv", 7, 1, "window", "mse", 0),
        ("linear", 8, 3, "window", "mse", 0),
        ("dense", 8, 3, "both", "huber", 3),
        ("conv", 8, 1, "both", "mse", 0),
    ):
        frames = frames_of(300, 5)
        masked = np.random.default_rng(3).random(frames.shape) < 0.3
        frames[masked] = 0.0
        yield (
            f"{kind} {window} {members} {span} {loss} {judge}",
            (ensemble_of(spec_of(kind, window, 5, members, span, loss=loss, discriminator=judge)), frames, masked),
        )


PREPARED = dict(prepared())


@pytest.mark.parametrize(("span", "judged"), [("newest", False), ("window", True), ("both", True)])
@pytest.mark.parametrize("hidden", [5, 10, 17, 32])
@pytest.mark.parametrize(
    ("kind", "sensors", "members"),
    [("dense", 5, 1), ("dense", 8, 5), ("conv", 6, 2), ("conv", 8, 1), ("linear", 5, 3)],
)
def test_the_number_of_threads_changes_no_bit(
    kind: str, sensors: int, members: int, hidden: int, span: str, judged: bool
) -> None:
    spec = spec_of(kind, 32, sensors, members, span, hidden, discriminator=hidden * judged)
    frames, ends, before = frames_of(331, sensors), np.arange(31, 331), torch.get_num_threads()
    results: list[Reconstruction] = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(ensemble_of(spec).errors(frames, ends))
    finally:
        torch.set_num_threads(before)
    assert all(same_bits(result.error, results[0].error) for result in results)


@pytest.mark.parametrize("span", ["newest", "window", "both"])
def test_masked_cells_do_not_count(span: str) -> None:
    """A mask of nothing changes no bit; a frame with every cell masked has neither error nor disagreement."""
    spec = spec_of("dense", 1, 4, 3, span)
    ensemble, frames, ends = ensemble_of(spec), frames_of(10, 4), np.arange(10)
    masked = np.zeros(frames.shape, np.bool_)
    assert same_bits(ensemble.errors(frames, ends, masked).error, ensemble.errors(frames, ends).error)
    masked[3], masked[5, 1] = True, True
    found = ensemble.errors(frames, ends, masked)
    assert np.flatnonzero(np.isnan(found.error)).tolist() == [3]
    assert np.flatnonzero(np.isnan(found.disagreement)).tolist() == [3]
    assert np.isnan(found.per_sensor(3)).all()
    assert np.flatnonzero(np.isnan(found.per_sensor(5))).tolist() == [1]


def test_a_masked_cell_earlier_in_the_window_counts_only_when_the_error_spans_it() -> None:
    frames, masked, ends = frames_of(9, 2), np.zeros((9, 2), np.bool_), np.array([8])
    masked[7, 0], frames[7, 0] = True, 0.0
    newest, window = (ensemble_of(spec_of("dense", 4, 2, 1, span)) for span in ("newest", "window"))
    assert same_bits(newest.errors(frames, ends, masked).error, newest.errors(frames, ends).error)
    assert newest.errors(frames, ends).error != window.errors(frames, ends).error
    assert window.errors(frames, ends, masked).error != window.errors(frames, ends).error


@pytest.mark.parametrize("scales", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_error_scales_that_are_not_a_positive_number_for_each_sensor_are_refused(scales: list[float]) -> None:
    spec = spec_of("dense", 4, 2, 1)
    with pytest.raises(ShapeError, match=r"error spread: seen .*, expected 2 finite values > 0; retrain"):
        Ensemble(spec, build(spec, [0]).weights(), np.array(scales))


def test_one_member_agrees_with_itself_and_equal_members_agree() -> None:
    alone, spec = spec_of("dense", 4, 2, 1), spec_of("dense", 4, 2, 3)
    frames, ends = frames_of(20, 2), np.arange(3, 20)
    assert not ensemble_of(alone).errors(frames, ends).disagreement.any()
    equal = Ensemble(spec, build(spec, [5, 5, 5]).weights()).errors(frames, ends)
    assert not equal.disagreement.any()


@pytest.mark.parametrize("span", ["newest", "window", "both"])
@pytest.mark.parametrize("members", [1, 2])
def test_no_windows_give_no_errors(members: int, span: str) -> None:
    ensemble = ensemble_of(spec_of("dense", 8, 3, members, span))
    for rows in (0, 4, 20):  # fewer frames than a window holds, and more
        none = ensemble.errors(frames_of(rows, 3), np.zeros(0, np.int64), np.zeros((rows, 3), np.bool_))
        assert none.error.shape == none.disagreement.shape == (0,)


def test_read_only_frames_are_scored() -> None:
    ensemble, frames, ends = ensemble_of(spec_of("dense", 4, 2, 1)), frames_of(9, 2), np.arange(3, 9)
    expected = ensemble.errors(frames, ends).error
    frames.flags.writeable = False
    ends.flags.writeable = False
    assert same_bits(ensemble.errors(frames, ends).error, expected)


def test_a_result_outlives_the_next_call_and_changes_of_the_frames() -> None:
    ensemble, frames = ensemble_of(spec_of("dense", 4, 2, 3)), frames_of(300, 2)
    found = ensemble.errors(frames, np.arange(3, 300))
    before = [found.error.copy(), found.per_sensor(7), found.expected(7)]
    frames *= 3
    ensemble.errors(frames, np.arange(3, 300))
    assert all(
        same_bits(a, b) for a, b in zip(before, [found.error, found.per_sensor(7), found.expected(7)], strict=True)
    )


@pytest.mark.parametrize("end", [2, 20, -1])
def test_a_window_outside_the_frames_is_refused(end: int) -> None:
    with pytest.raises(ShapeError, match=f"seen {end} to {end}, windows of 4 frames over 20 end at 3 to 19"):
        ensemble_of(spec_of("dense", 4, 2, 1)).errors(frames_of(20, 2), np.array([end]))


def test_arrays_of_another_kind_are_refused() -> None:
    ensemble, ends = ensemble_of(spec_of("dense", 4, 2, 1)), np.array([5])
    with pytest.raises(ShapeError, match=r"frames: seen float32 \(20, 3\), expected float32 \(P, 2\)"):
        ensemble.errors(frames_of(20, 3), ends)
    with pytest.raises(ShapeError, match="frames: seen float64"):
        ensemble.errors(frames_of(20, 2).astype(np.float64), ends)
    with pytest.raises(ShapeError, match="C-contiguous"):
        ensemble.errors(np.asfortranarray(frames_of(20, 2)), ends)
    with pytest.raises(ShapeError, match=r"masked: seen \(3, 2\)"):
        ensemble.errors(frames_of(20, 2), ends, np.zeros((3, 2), np.bool_))
    with pytest.raises(ShapeError, match="ends: seen int32"):
        ensemble.errors(frames_of(20, 2), ends.astype(np.int32))


class TiltedTile(Tile):
    """A tile like that of some BLAS kernels: rows after the sixteenth are computed in another order."""

    def run(self) -> Tensor:
        result = self.windows.sum(dim=1)
        result[16:] = self.windows[16:].flip(1).cumsum(dim=1)[:, -1]
        return result.view(1, 1, -1)


def test_a_tile_in_which_a_window_has_other_bits_in_other_rows_is_not_used() -> None:
    spec = spec_of("dense", 40, 5, 1)
    assert not is_steady(TiltedTile(spec, 64))
    assert len(first_steady(lambda rows: TiltedTile(spec, rows), (256, 64, 16, 1)).windows) == 16
    with pytest.raises(ShapeError, match=r"no tile of \[256, 64\] windows"):
        first_steady(lambda rows: TiltedTile(spec, rows), (256, 64))
