"""The discriminator: K small networks that look at what is left of each sensor, and say how odd it looks.

An autoencoder's error says how much is left of a window, not what it looks like: a frozen or a drifting sensor may
leave little, but of a shape that normal operation does not leave. One network serves all sensors of a member: it sees
one sensor's residuals at a time, so it has F times as many examples, and learns no operating point by heart. Residuals
r, in units of what is usual of the sensor, are seen as r / (1 + |r|): the shape counts, the size is the error's part.

Here is the trainable form; `doubt` holds the frozen one, and says what its opinion adds to the error.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from stream.detect.model.layers import Layer, check_weights
from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

PREFIX = "discriminator."  # of its weights, beside the autoencoder's


class Discriminator(nn.Module):
    """K networks: residuals of a sensor -> hidden -> logit, ReLU on the hidden layer.

    Attributes:
        unit: float32 (K, F), > 0: the usual residual of each sensor, scaled units.
        floor: float32 (K, F): logits up to it are nothing unusual on held-out normal data.
        slope: float32 (K, F), >= 0: 1 / (floor - median logit) there; 0 for a sensor that was never seen.
        reach: float32 (K,), >= 0: how far the errors reach beyond their median there, as far as the logits to `floor`.
    """

    unit: Tensor
    floor: Tensor
    slope: Tensor
    reach: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        members, sensors = spec.members, spec.sensors
        self.first = Layer(members, spec.discriminator, frames_seen(spec))
        self.second = Layer(members, 1, spec.discriminator)
        for name in ("unit", "floor", "slope"):
            self.register_buffer(name, torch.ones(members, sensors))
        self.register_buffer("reach", torch.zeros(members))

    def forward(self, residuals: Tensor) -> Tensor:
        """Logits.

        Args:
            residuals: float32 (K, n, frames, F), scaled units; masked cells hold 0.

        Returns:
            float32 (K, n, F): the larger, the odder.
        """
        usual = residuals / self.unit[:, None, None]
        seen = usual / (1 + usual.abs())
        members, count, frames, sensors = seen.shape
        rows = seen.transpose(2, 3).reshape(members, count * sensors, frames)
        logits: Tensor = self.second(relu(self.first(rows)))  # (K, n * F, 1)
        return logits.view(members, count, sensors)

    def weights(self) -> dict[str, Tensor]:
        """Copies of all weights, float32, leading axis K, their names with `PREFIX`."""
        return {PREFIX + name: value.detach().clone() for name, value in self.state_dict().items()}


def build(spec: ModelSpec, seeds: Sequence[int]) -> Discriminator:
    """One with fresh weights and no reach, so that it adds nothing; member k's depend on seeds[k] only."""
    made = Discriminator(spec)
    for member, seed in enumerate(seeds):
        source = torch.Generator().manual_seed(seed)
        for layer in (made.first, made.second):
            layer.draw(member, source)
    return made


def frames_seen(spec: ModelSpec) -> int:
    """Frames of a window that have a residual: those that the error spans."""
    return 1 if spec.error_span == "newest" else spec.window


def split_weights(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The autoencoder's weights and the discriminator's, as `load` of either takes them."""
    own = {name: value for name, value in weights.items() if name.startswith(PREFIX)}
    return {name: value for name, value in weights.items() if name not in own}, own


def load(spec: ModelSpec, weights: Mapping[str, Tensor]) -> Discriminator:
    """The discriminator that `weights` came from, in inference mode.

    Raises:
        ShapeError: a name is missing or unknown, a shape or type differs, or a value is not finite or out of bounds.
    """
    made = Discriminator(spec)
    named = {name.removeprefix(PREFIX): value for name, value in weights.items()}
    made.load_state_dict(check_weights("discriminator", named, made.state_dict()))
    for name, values in {"unit": made.unit, "slope": made.slope, "reach": made.reach}.items():
        least = float(values.min())
        if least < 0 or (name == "unit" and least == 0):
            raise ShapeError(f"discriminator: {name} of {least:g}, expected one > 0, slope and reach >= 0; retrain")
    return made.eval().requires_grad_(False)
