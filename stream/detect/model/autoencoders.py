"""The autoencoders: dense, variational, linear and convolutional, K members at once on a leading axis.

A model is K independent members of one shape. Their weights are stacked, so that one batched product moves all of
them; member k depends on seed k alone. Here is the trainable form; `tiles` holds the frozen one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

TAPS = 4  # frames under a convolution's kernel; its stride is 2
MIN_CONV_WINDOW = 4
MAX_LOG_VARIANCE = 10.0  # either way; its exponential must stay finite


class Layer(nn.Module):
    """y = x Aᵀ + b of all members: weight (K, outputs, inputs), bias (K, outputs)."""

    def __init__(self, members: int, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """(K, n, inputs) -> (K, n, outputs)."""
        return torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.transpose(1, 2))

    def draw(self, member: int, source: torch.Generator) -> None:
        """Fills one member's weights: uniform within ±1/sqrt(inputs)."""
        bound = 1.0 / math.sqrt(self.weight.shape[2])
        with torch.no_grad():
            for values in (self.weight[member], self.bias[member]):
                values.copy_(torch.empty(values.shape).uniform_(-bound, bound, generator=source))


def drawn(like: Tensor, draws: Sequence[torch.Generator], fill: Callable[..., Tensor]) -> Tensor:
    """Random numbers of the shape of `like` (K, ...), each member's from its own generator."""
    numbers = torch.empty_like(like, requires_grad=False)
    for member, draw in zip(numbers, draws, strict=True):
        fill(member, generator=draw)
    return numbers


class Autoencoder(nn.Module, ABC):
    """K members of one shape. `forward` is the training pass; dropout acts in the encoder only.

    Attributes:
        draws: one generator per member: what it drops in training depends on its own seed alone.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.draws: Sequence[torch.Generator] = ()

    @abstractmethod
    def forward(self, windows: Tensor) -> Tensor:
        """Reconstructs.

        Args:
            windows: float32 (K, N, W, F), scaled, finite; member k sees windows[k].

        Returns:
            float32 (K, N, W, F), scaled units, unbounded.
        """

    def weights(self) -> dict[str, Tensor]:
        """Copies of all weights, float32, leading axis K: "<layer>.weight" (K, outputs, inputs), "<layer>.bias"."""
        return {name: value.detach().clone() for name, value in self.state_dict().items()}

    def _drop(self, values: Tensor) -> Tensor:
        """(K, ...): in training a share of them at 0, the others scaled up to make up for it."""
        share = self.spec.dropout
        if not self.training or not share:
            return values
        return values * ((drawn(values, self.draws, Tensor.uniform_) >= share) / (1.0 - share))


class Dense(Autoencoder):
    """W*F -> hidden -> latent -> hidden -> W*F, ReLU on the hidden layers, linear code and output."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        size = spec.window * spec.sensors
        self.encode = Layer(spec.members, spec.hidden, size)
        self.code = Layer(spec.members, spec.latent, spec.hidden)
        self.decode = Layer(spec.members, spec.hidden, spec.latent)
        self.output = Layer(spec.members, size, spec.hidden)

    def forward(self, windows: Tensor) -> Tensor:
        return self.decoded(self.code(self._hidden(windows)))

    def decoded(self, codes: Tensor) -> Tensor:
        """(K, N, latent) -> (K, N, W, F), scaled units."""
        frames: Tensor = self.output(relu(self.decode(codes)))  # (K, N, W * F)
        return frames.view(*codes.shape[:2], self.spec.window, self.spec.sensors)

    def _hidden(self, windows: Tensor) -> Tensor:
        return self._drop(relu(self.encode(windows.flatten(2))))  # (K, N, hidden)


class Variational(Dense):
    """Dense, with a code that training draws from a normal distribution, whose mean and log variance two layers give.

    `forward` takes the mean: a score is deterministic, and the frozen form is that of a dense model.

    Source: Kingma and Welling 2014, "Auto-encoding variational Bayes", section 3 and appendix C.2.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.log_variance = Layer(spec.members, spec.latent, spec.hidden)

    def posterior(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the code: (K, N, W, F) -> (K, N, latent) each."""
        hidden = self._hidden(windows)
        return self.code(hidden), self.log_variance(hidden).clamp(-MAX_LOG_VARIANCE, MAX_LOG_VARIANCE)


class Linear(Autoencoder):
    """W*F -> latent -> W*F, nothing between and nothing dropped: it can learn the principal subspace, and no more.

    Source: Baldi and Hornik 1989, "Neural networks and principal component analysis: learning from examples without
    local minima". Departs from it in biases, which take the windows' mean.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        size = spec.window * spec.sensors
        self.code = Layer(spec.members, spec.latent, size)
        self.output = Layer(spec.members, size, spec.latent)

    def forward(self, windows: Tensor) -> Tensor:
        frames: Tensor = self.output(self.code(windows.flatten(2)))  # (K, N, W * F)
        return frames.view(windows.shape)


class Conv(Autoencoder):
    """Two convolutions over time (kernel 4, stride 2), a linear code, two transposed ones back.

    A window is padded with zeros in front to a multiple of 4, and cropped again, so the newest frame is the last of
    each layer. A convolution is written as a product with patches, a transposed one as its two phases, each a product
    with pairs of neighbours: the same arithmetic, in the form in which all members go through one batched product.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        members, channels, flat = spec.members, spec.hidden, conv_steps(spec.window) * spec.hidden
        self.narrow1 = Layer(members, channels, TAPS * spec.sensors)
        self.narrow2 = Layer(members, channels, TAPS * channels)
        self.code = Layer(members, spec.latent, flat)
        self.spread = Layer(members, flat, spec.latent)
        self.widen1_even = Layer(members, channels, 2 * channels)
        self.widen1_odd = Layer(members, channels, 2 * channels)
        self.output_even = Layer(members, spec.sensors, 2 * channels)
        self.output_odd = Layer(members, spec.sensors, 2 * channels)

    def forward(self, windows: Tensor) -> Tensor:
        members, count, window, _ = windows.shape
        padded = pad(windows, (0, 0, TAPS * conv_steps(window) - window, 0))  # (K, N, 4S, F)
        hidden = self._drop(relu(_narrow(padded, self.narrow1)))  # (K, N, 2S, C)
        hidden = self._drop(relu(_narrow(hidden, self.narrow2)))  # (K, N, S, C)
        codes = self.code(hidden.flatten(2))  # (K, N, latent)
        spread = relu(self.spread(codes)).view(members, count, -1, self.spec.hidden)  # (K, N, S, C)
        wide = relu(_widen(spread, self.widen1_even, self.widen1_odd))  # (K, N, 2S, C)
        return _widen(wide, self.output_even, self.output_odd)[:, :, -window:]  # (K, N, W, F)


def conv_steps(window: int) -> int:
    """S: time steps that are left of a window of W frames after both convolutions, ceil(W / 4)."""
    return -(-window // TAPS)


def _narrow(steps: Tensor, layer: Layer) -> Tensor:
    """(K, N, 2S, inputs) -> (K, N, S, outputs): kernel 4, stride 2, one zero step of padding at each end."""
    members, count, length, _ = steps.shape
    patches = pad(steps, (0, 0, 1, 1)).unfold(2, TAPS, 2).transpose(3, 4)  # (K, N, S, 4, inputs)
    steps_out: Tensor = layer(patches.reshape(members, count * length // 2, -1))  # (K, N * S, outputs)
    return steps_out.view(members, count, length // 2, -1)


def _widen(steps: Tensor, even: Layer, odd: Layer) -> Tensor:
    """(K, N, S, inputs) -> (K, N, 2S, outputs): step 2i sees i-1 and i, step 2i+1 sees i and i+1."""
    members, count, length, _ = steps.shape
    pairs = pad(steps, (0, 0, 1, 1)).unfold(2, 2, 1).transpose(3, 4).flatten(3)  # (K, N, S + 1, 2 * inputs)
    before = even(pairs[:, :, :-1].reshape(members, count * length, -1))  # (K, N * S, outputs)
    after = odd(pairs[:, :, 1:].reshape(members, count * length, -1))
    return torch.stack((before, after), dim=2).view(members, count, 2 * length, -1)


def check_spec(spec: ModelSpec) -> None:
    """Raises ShapeError, naming the field, if no autoencoder has this shape."""
    counted = ["window", "smoothing", "sensors", "latent", "members", *(["hidden"] if spec.kind != "linear" else [])]
    sizes = {name: getattr(spec, name) for name in counted}
    small = {name: size for name, size in sizes.items() if size < 1}
    if small:
        raise ShapeError(f"model sizes must be at least 1, seen {small}")
    if spec.kind == "conv" and spec.window < MIN_CONV_WINDOW:
        raise ShapeError(
            f"a conv model needs a window of at least {MIN_CONV_WINDOW} frames, seen {spec.window}; "
            f"use a longer window, or a dense model"
        )
    size = spec.window * spec.sensors
    if spec.latent >= size > 1:
        raise ShapeError(
            f"latent {spec.latent} is no narrower than the window's {spec.window} x {spec.sensors} = {size} values, "
            f"so the model could copy anything; choose a latent below {size}"
        )
    for name, share in {"dropout": spec.dropout, "noise": spec.noise}.items():
        if not 0.0 <= share < 1.0:
            raise ShapeError(f"{name} must be in [0, 1), seen {share}")
    if not spec.beta > 0.0:
        raise ShapeError(f"beta must be > 0, seen {spec.beta}")
    if spec.discriminator < 0:
        raise ShapeError(f"discriminator must have 0 hidden units (none) or more, seen {spec.discriminator}")


def build(spec: ModelSpec, seeds: Sequence[int]) -> Autoencoder:
    """A model with fresh weights, in training mode; member k's depend on seeds[k] only, and so does what it drops.

    Raises:
        ShapeError: impossible sizes, or as many seeds as members are not given.
    """
    if len(seeds) != spec.members:
        raise ShapeError(f"seen {len(seeds)} seeds for {spec.members} members; give one each")
    model = _empty(spec)
    layers = [module for module in model.modules() if isinstance(module, Layer)]
    model.draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    for member, source in enumerate(model.draws):
        for layer in layers:
            layer.draw(member, source)
    return model


def load(spec: ModelSpec, weights: Mapping[str, Tensor]) -> Autoencoder:
    """The model that `weights` (see `Autoencoder.weights`) came from, in inference mode.

    Raises:
        ShapeError: a name is missing or unknown, a shape or type differs, or a value is not finite.
    """
    model = _empty(spec)
    model.load_state_dict(checked(f"{spec.kind} model", weights, model.state_dict()))
    return model.eval().requires_grad_(False)


def checked(of: str, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, if they have the names, shapes and type of those expected, and are finite.

    Raises:
        ShapeError: they are not; says where, and `of` what they should be.
    """
    if set(weights) != set(expected):
        missing, unknown = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
        raise ShapeError(f"weights of a {of}: missing {missing}, unknown {unknown}")
    for name, value in weights.items():
        _check_weight(name, value, expected[name])
    return dict(weights)


def _empty(spec: ModelSpec) -> Autoencoder:
    check_spec(spec)
    kinds: dict[str, type[Autoencoder]] = {"dense": Dense, "conv": Conv, "variational": Variational, "linear": Linear}
    return kinds[spec.kind](spec)


def _check_weight(name: str, value: Tensor, expected: Tensor) -> None:
    if value.shape != expected.shape or value.dtype != expected.dtype:
        raise ShapeError(
            f"weight {name!r}: seen {value.dtype} {tuple(value.shape)}, "
            f"expected {expected.dtype} {tuple(expected.shape)}"
        )
    if not bool(torch.isfinite(value).all()):
        raise ShapeError(f"weight {name!r}: {int((~torch.isfinite(value)).sum())} values are not finite")
