"""The views of form of a bundle, together."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stream.detect.forms.odd_sensors import OddSensors
from stream.detect.forms.relations import PREFIX, Relations
from stream.detect.forms.stillness import Stillness
from stream.intake.columns import Bools, Float32s, Int64s


@dataclass(frozen=True)
class Forms:
    """The views of form; None: the bundle has no such view, or training found that it cannot be judged."""

    stillness: Stillness | None = None
    relations: Relations | None = None

    def of(self, frames: Float32s, ends: Int64s, masked: Bools | None = None) -> OddSensors:
        """Finds the odd sensors of N windows.

        Args:
            frames, ends, masked: as in `Ensemble.errors`.
        """
        views = (view for view in (self.stillness, self.relations) if view is not None and len(ends))
        return OddSensors.joined([view.of(frames, ends, masked) for view in views])


def weights_apart(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of the ensemble, and those of the relations; no such weights: there is no such view."""
    own = {name: value for name, value in weights.items() if name.startswith(PREFIX)}
    return {name: value for name, value in weights.items() if name not in own}, own
