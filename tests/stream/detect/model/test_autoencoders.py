"""The particular features of each kind of autoencoder, and errors of `build` and `load`. See test_model_contract."""

import pytest
import torch
from torch.nn.functional import conv1d, conv_transpose1d, pad, relu

from stream.detect.model.autoencoders import build, load
from stream.detect.model.kind import Autoencoder
from stream.detect.policy import ModelSpec
from stream.errors import ShapeError
from tests.support.builders import a_spec


def spec_of(kind: str, window: int, sensors: int, members: int = 1, **others: object) -> ModelSpec:
    latent = min(3, max(1, window * sensors - 1))
    sizes = {"kind": kind, "window": window, "sensors": sensors, "members": members, "smoothing": 1, "hidden": 6}
    return a_spec(**{**sizes, "latent": latent, **others})


def windows_for(spec: ModelSpec, count: int = 5) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(spec.members, count, spec.window, spec.sensors, generator=draw)


def convolve_as_torch_does(model: Autoencoder, windows: torch.Tensor, member: int) -> torch.Tensor:
    """(N, W, F) through torch's own convolutions, with kernels put together from the model's weights."""
    w = {name: value[member] for name, value in model.weights().items()}
    channels = model.spec.hidden

    def narrow(values: torch.Tensor, name: str) -> torch.Tensor:
        kernel = w[f"{name}.weight"].view(channels, 4, -1).transpose(1, 2)
        return relu(conv1d(values, kernel, w[f"{name}.bias"], stride=2, padding=1))

    def widen(values: torch.Tensor, name: str) -> torch.Tensor:
        even, odd = (w[f"{name}_{phase}.weight"].view(-1, 2, channels) for phase in ("even", "odd"))
        # Output 2i = tap 3 of step i-1 + tap 1 of step i; output 2i+1 = tap 2 of step i + tap 0 of step i+1.
        kernel = torch.stack((odd[:, 1], even[:, 1], odd[:, 0], even[:, 0]), dim=-1).transpose(0, 1)
        biases = torch.stack((w[f"{name}_even.bias"], w[f"{name}_odd.bias"]), dim=1)
        frames = conv_transpose1d(values, kernel, None, stride=2, padding=1)
        return frames + biases.repeat(1, values.shape[2])

    values = pad(windows.transpose(1, 2), (-windows.shape[1] % 4, 0))
    values = narrow(narrow(values, "narrow1"), "narrow2")
    codes = values.transpose(1, 2).flatten(1) @ w["code.weight"].T + w["code.bias"]
    values = relu(codes @ w["spread.weight"].T + w["spread.bias"]).view(len(windows), -1, channels).transpose(1, 2)
    return widen(relu(widen(values, "widen1")), "output").transpose(1, 2)[:, -windows.shape[1] :]


@pytest.mark.parametrize("window", [4, 5, 6, 7, 8, 31, 32])
def test_conv_is_two_strided_convolutions_and_two_transposed_ones(window: int) -> None:
    spec = spec_of("conv", window, 3, members=2)
    model, windows = build(spec, [1, 2]).eval(), windows_for(spec)
    for member in range(2):
        expected = convolve_as_torch_does(model, windows[member], member)
        torch.testing.assert_close(model(windows)[member], expected, rtol=1e-5, atol=1e-6)


def test_a_linear_model_drops_nothing_and_has_no_hidden_units() -> None:
    spec = spec_of("linear", 8, 4, dropout=0.5, hidden=0)
    model, windows = build(spec, [1]), windows_for(spec)
    assert torch.equal(model(windows), model(windows))
    w = {name: value[0] for name, value in model.weights().items()}
    codes = windows[0].flatten(1) @ w["code.weight"].T + w["code.bias"]
    made = (codes @ w["output.weight"].T + w["output.bias"]).view(windows[0].shape)
    torch.testing.assert_close(model(windows)[0], made)


@pytest.mark.parametrize("kind", ["dense", "conv", "variational"])
def test_dropout_acts_in_training_only(kind: str) -> None:
    spec = spec_of(kind, 8, 4, dropout=0.5)
    model, windows = build(spec, [1]), windows_for(spec)
    assert not torch.equal(model(windows), model(windows))
    model.eval()
    assert torch.equal(model(windows), model(windows))


def test_taken_weights_do_not_follow_further_training() -> None:
    model = build(spec_of("dense", 4, 2), [1])
    taken = model.weights()["encode.bias"].clone()
    kept = model.weights()
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
    assert torch.equal(kept["encode.bias"], taken)


def test_load_names_what_is_missing_and_what_is_unknown() -> None:
    spec = spec_of("dense", 4, 2)
    weights = build(spec, [1]).weights()
    weights["spare"] = weights.pop("code.bias")
    with pytest.raises(ShapeError, match=r"missing \['code.bias'\], unknown \['spare'\]"):
        load(spec, weights)


def test_load_says_which_shape_or_type_it_expected() -> None:
    spec = spec_of("dense", 4, 2)
    weights = build(spec, [1]).weights()
    with pytest.raises(
        ShapeError, match=r"'encode.bias': seen torch.float32 \(2, 6\), expected torch.float32 \(1, 6\)"
    ):
        load(spec, {**weights, "encode.bias": torch.zeros(2, 6)})
    with pytest.raises(ShapeError, match=r"'encode.bias': seen torch.float64"):
        load(spec, {**weights, "encode.bias": torch.zeros(1, 6, dtype=torch.float64)})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_load_refuses_weights_that_are_not_finite(bad: float) -> None:
    spec = spec_of("conv", 4, 2)
    weights = build(spec, [1]).weights()
    weights["code.bias"][0, 1] = bad
    with pytest.raises(ShapeError, match=r"'code.bias': 1 values are not finite"):
        load(spec, weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "conv", "window": 3}, "window of at least 4 frames, seen 3"),
        ({"latent": 8}, r"latent 8 is not smaller than the window's 4 x 2 = 8 values"),
        ({"hidden": 0}, r"at least 1, seen \{'hidden': 0\}"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), seen 1.0"),
        ({"discriminator": -1}, "discriminator must have 0 hidden units .none. or more, seen -1"),
        ({"noise": -0.1}, r"noise must be in \[0, 1\), seen -0.1"),
    ],
)
def test_impossible_sizes_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        build(spec_of(**{"kind": "dense", "window": 4, "sensors": 2, **changes}), [1])  # type: ignore[arg-type]


def test_a_single_value_per_window_may_have_a_code_of_one() -> None:
    assert build(spec_of("dense", 1, 1, latent=1), [1])(torch.ones(1, 2, 1, 1)).shape == (1, 2, 1, 1)


def test_each_member_needs_a_seed() -> None:
    with pytest.raises(ShapeError, match="seen 2 seeds for 3 members"):
        build(spec_of("dense", 4, 2, members=3), [1, 2])
