"""Attribution: the sensors that a frame's error comes from. Computed only for frames of incidents or vetoes."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.frames import Frames
from stream.detect.frames.history import History
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incident import SensorShare
from stream.detect.incidents.veto import Veto, shares
from stream.detect.model.ensemble import Reconstruction
from stream.intake.columns import Bools, Float64s, Int64s


class Attribution:
    """The frames of a batch, and the model's reconstruction of those that have an error.

    Args:
        due: int64 (N,), ascending: the frames that `reconstruction` is of.
    """

    def __init__(
        self,
        definition: Definition,
        history: History,
        ranges: Ranges,
        frames: Frames,
        due: Int64s,
        reconstruction: Reconstruction,
    ) -> None:
        self._definition = definition
        self._history = history
        self._ranges = ranges
        self._frames = frames
        self._due = due
        self._reconstruction = reconstruction

    def sensors(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors with the largest shares of the error of frame `row`, largest first, ties by sensor order."""
        names, top = self._definition.sensors, self._definition.rules.top_sensors
        share, observed, expected = (column[:, 0] for column in self._columns(np.array([row])))
        largest = np.argsort(-share, kind="stable")[:top]
        return tuple(_share(names[f], share[f], observed[f], expected[f]) for f in largest.tolist())

    def outside(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors of frame `row` whose value is outside its valid range; `expected` is the limit it broke."""
        assert self._frames.outside is not None
        names, values = self._definition.sensors, self._frames.outside[row]
        limit = self._ranges.broken(values)
        broken = np.flatnonzero(~np.isnan(values)).tolist()
        return tuple(_share(names[f], 0.0, values[f], limit[f], outside=True) for f in broken)

    def vetoed(self, veto: Veto, rows: Int64s) -> Bools:
        """The frames of `rows`, all with an error, that may not open an incident: bool (len(rows),)."""
        return veto.vetoed(*self._columns(rows))

    def _columns(self, rows: Int64s) -> tuple[Float64s, Float64s, Float64s]:
        """Share of the error, observed (NaN where masked), expected in the sensors' units; each (F, len(rows))."""
        at = np.searchsorted(self._due, rows)
        observed = self._frames.values[rows].T
        error = np.where(np.isnan(observed), np.nan, self._reconstruction.per_sensor(at))
        mean, scale = self._history.units(self._frames.series[rows])
        return shares(error), observed, self._reconstruction.expected(at) * scale.T + mean.T


def _share(name: str, share: float, observed: float, expected: float, outside: bool = False) -> SensorShare:
    masked = bool(np.isnan(observed))
    return SensorShare(
        name=name,
        share=float(share),
        observed=None if masked else float(observed),
        expected=float(expected),
        direction="unknown" if masked else "high" if observed > expected else "low",
        outside=outside,
    )
