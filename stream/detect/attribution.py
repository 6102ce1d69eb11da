"""What frames looked like, sensor by sensor; asked for only where there is trouble."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.frames.frames import Frames
from stream.detect.frames.history import History
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incident import SensorShare
from stream.detect.incidents.veto import Veto, shares
from stream.detect.model.ensemble import Reconstruction
from stream.intake.columns import Bools, Float64s, Int64s


class Witness:
    """The frames of a batch, and what the model made of those with an error.

    Args:
        due: int64 (N,), ascending: the frames that `seen` is about.
    """

    def __init__(
        self,
        definition: Definition,
        history: History,
        ranges: Ranges,
        frames: Frames,
        due: Int64s,
        seen: Reconstruction,
    ) -> None:
        self._definition = definition
        self._history = history
        self._ranges = ranges
        self._frames = frames
        self._due = due
        self._seen = seen

    def sensors(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors with the largest share of the error of frame `row`, largest first, ties by sensor order."""
        names, top = self._definition.sensors, self._definition.rules.top_sensors
        share, observed, expected = (column[:, 0] for column in self._looked(np.array([row])))
        largest = np.argsort(-share, kind="stable")[:top]
        return tuple(_share(names[f], share[f], observed[f], expected[f]) for f in largest.tolist())

    def outside(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors of frame `row` whose value is outside its valid range; expected is the limit it broke."""
        assert self._frames.outside is not None
        names, values = self._definition.sensors, self._frames.outside[row]
        limit = self._ranges.broken(values)
        there = np.flatnonzero(~np.isnan(values)).tolist()
        return tuple(_share(names[f], 0.0, values[f], limit[f], outside=True) for f in there)

    def vetoed(self, veto: Veto, rows: Int64s) -> Bools:
        """bool (len(rows),): which of these frames, all with an error, may not open an incident."""
        return veto.vetoed(*self._looked(rows))

    def _looked(self, rows: Int64s) -> tuple[Float64s, Float64s, Float64s]:
        """Share of the error, observed (NaN where masked), expected in the sensors' units, each (F, len(rows))."""
        seen = np.searchsorted(self._due, rows)
        observed = self._frames.values[rows].T
        error = np.where(np.isnan(observed), np.nan, self._seen.per_sensor(seen))
        mean, scale = self._history.units(self._frames.series[rows])
        return shares(error), observed, self._seen.expected(seen) * scale.T + mean.T


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
