"""The discriminator: K small networks that rate the residuals of each sensor by their shape.

The error of an autoencoder is the size of the residuals. A frozen or a drifting sensor may have small residuals, but of
a shape that normal operation does not have. One network serves all sensors of a member. Its input is the residuals of
one sensor, so it has F times as many examples, and cannot memorise an operating point. Residuals r, in units of the
usual residual of the sensor, enter as r / (1 + |r|): the shape counts, as the error already has the size.

This is the trainable form; `discriminator_penalty` holds the frozen one, which adds to the error.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from stream.detect.model.layers import Layer, check_weights
from stream.detect.policy import ModelSpec
from stream.errors import ShapeError

PREFIX = "discriminator."  # of the names of its weights, which lie beside those of the autoencoder


class Discriminator(nn.Module):
    """K networks: residuals of a sensor -> hidden -> logit, ReLU on the hidden layer.

    Attributes:
        unit: float32 (K, F), > 0: the usual residual of each sensor, scaled units.
        floor: float32 (K, F): 99th percentile of the logits of held-out normal data; a logit up to it adds nothing.
        slope: float32 (K, F), >= 0: 1 / (floor - median logit) of these data; 0: the sensor had no value there.
        reach: float32 (K,), >= 0: 99th percentile of the errors of these data, minus their median.
    """

    unit: Tensor
    floor: Tensor
    slope: Tensor
    reach: Tensor

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        members, sensors = spec.members, spec.sensors
        self.first = Layer(members, spec.discriminator, spec.error_frames)
        self.second = Layer(members, 1, spec.discriminator)
        for name in ("unit", "floor", "slope"):
            self.register_buffer(name, torch.ones(members, sensors))
        self.register_buffer("reach", torch.zeros(members))

    def forward(self, residuals: Tensor) -> Tensor:
        """Logits.

        Args:
            residuals: float32 (K, n, frames, F), scaled units; masked cells hold 0.

        Returns:
            float32 (K, n, F): the larger, the more unusual.
        """
        scaled = residuals / self.unit[:, None, None]
        inputs = scaled / (1 + scaled.abs())
        members, count, frames, sensors = inputs.shape
        rows = inputs.transpose(2, 3).reshape(members, count * sensors, frames)
        logits: Tensor = self.second(relu(self.first(rows)))  # (K, n * F, 1)
        return logits.view(members, count, sensors)

    def weights(self) -> dict[str, Tensor]:
        """Copies of all weights, float32, leading axis K, names with `PREFIX`."""
        return {PREFIX + name: value.detach().clone() for name, value in self.state_dict().items()}


def build(spec: ModelSpec, seeds: Sequence[int]) -> Discriminator:
    """A discriminator with random weights and no reach, so that it adds nothing; member k depends on seeds[k] only."""
    network = Discriminator(spec)
    for member, seed in enumerate(seeds):
        source = torch.Generator().manual_seed(seed)
        for layer in (network.first, network.second):
            layer.draw(member, source)
    return network


def split_weights(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the autoencoder and those of the discriminator, as the `load` of each takes them."""
    own = {name: value for name, value in weights.items() if name.startswith(PREFIX)}
    return {name: value for name, value in weights.items() if name not in own}, own


def load(spec: ModelSpec, weights: Mapping[str, Tensor]) -> Discriminator:
    """The discriminator with these weights, in inference mode.

    Raises:
        ShapeError: a name is missing or unknown, a shape or type differs, or a value is not finite or out of bounds.
    """
    network = Discriminator(spec)
    named = {name.removeprefix(PREFIX): value for name, value in weights.items()}
    network.load_state_dict(check_weights("discriminator", named, network.state_dict()))
    for name, values in {"unit": network.unit, "slope": network.slope, "reach": network.reach}.items():
        least = float(values.min())
        if least < 0 or (name == "unit" and least == 0):
            raise ShapeError(f"discriminator: {name} of {least:g}, expected one > 0, slope and reach >= 0; retrain")
    return network.eval().requires_grad_(False)
