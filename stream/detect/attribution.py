"""Attribution: the sensors that a frame's error comes from. Computed only for frames of incidents or vetoes."""

import numpy as np

from stream.detect.definition import Definition
from stream.detect.forms.odd_sensors import OddSensors
from stream.detect.frames.frames import Frames
from stream.detect.frames.history import History, WindowFrames
from stream.detect.frames.ranges import Ranges
from stream.detect.incidents.incident import SensorShare
from stream.detect.incidents.incidents import EXCEEDS
from stream.detect.incidents.veto import Veto, shares
from stream.detect.model.ensemble import Reconstruction
from stream.detect.model.reduction import cell_errors
from stream.detect.model.tiles import TILE_ROWS
from stream.detect.naming import Deviations, named
from stream.detect.policy import STILL, VIEWS
from stream.intake.columns import Bools, Float64s, Int8s, Int64s

# Most cells that are reconstructed for several frames at once: some 100 MB.
CELLS = 1 << 22


class Attribution:
    """The frames of a batch, and the model's reconstruction of those that have an error.

    Args:
        history: the frames of the batch are not in it yet.
        windows: the frames that the windows of the batch are cut from.
        due: int64 (N,), ascending: the frames that `reconstruction` is of.
        score: float64 (n,), level / threshold of all frames.
        odd: sensors of the frames `due` whose form is odd.
        oddness: float64 (n,), what they score; 0 without one. form: int8 (n,), the view that gives it.

    Attributes:
        score: float64 (n,), where sensors are odd that of the oddest, if it is larger.
        view: int8 (n,), the view that gives the score of each frame, by `VIEWS`; -1: it has none.
    """

    def __init__(
        self,
        definition: Definition,
        history: History,
        ranges: Ranges,
        frames: Frames,
        windows: WindowFrames,
        due: Int64s,
        reconstruction: Reconstruction,
        score: Float64s,
        odd: OddSensors,
        oddness: Float64s,
        form: Int8s,
    ) -> None:
        self._definition = definition
        self._history = history
        self._ranges = ranges
        self._frames = frames
        self._windows = windows
        self._due = due
        self._reconstruction = reconstruction
        self._whole: dict[int, Float64s] = {}
        self._odd = odd
        self.view = np.full(len(frames), -1, np.int8)
        self.view[due] = reconstruction.view
        odder = oddness > score  # False where there is no level
        self.score, self.view[odder] = np.where(odder, oddness, score), form[odder]

    def sensors(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors to name in an event about frame `row`, see `named`, each where it deviates most in the window."""
        names, slot = self._definition.sensors, self._frames.series[row]
        (mean, scale), still = self._history.units(self._frames.series[[row]]), self._history.still(slot)
        spec, view = self._definition.spec, VIEWS[self.view[row]]
        # A level is the mean of M errors: where the newest frame gives the error, an earlier one may be the large one.
        made = self._reconstructed(row)[-max(spec.frames_of(view), spec.smoothing) :]  # (frames, F)
        time, observed = (each[-len(made) :] for each in self._history.window_of(self._frames, row))
        expected = np.where(still, mean, made * scale + mean)
        error_scales = self._definition.ensemble.scales_of(view)
        if self.view[row] >= STILL:
            share = shares(self._by_form(row)[:, None])[:, 0]
        else:
            share = self._shares(row, made, np.isnan(observed), error_scales)
        size, away = (np.fmax(np.abs(observed - other) / scale, -1.0) for other in (expected, mean))  # -1: masked
        found = named(Deviations(share, size, away, np.sqrt(error_scales), still), self._definition.rules.top_sensors)
        return tuple(
            _share(
                names[f], share[f], observed[at, f], expected[at, f], time[at], visible=found.visible or view == "still"
            )
            for f, at in zip(found.sensors.tolist(), found.at[found.sensors].tolist(), strict=True)
        )

    def outside(self, row: int) -> tuple[SensorShare, ...]:
        """The sensors of frame `row` whose value is outside its valid range; `expected` is the limit it broke."""
        assert self._frames.outside is not None
        names, values = self._definition.sensors, self._frames.outside[row]
        limit, time = self._ranges.broken(values), self._frames.time[row]
        broken = np.flatnonzero(~np.isnan(values)).tolist()
        return tuple(_share(names[f], 0.0, values[f], limit[f], time, outside=True) for f in broken)

    def vetoed(self, veto: Veto, with_all: bool) -> Bools:
        """Frames that the rules keep from opening an incident, bool (n,); of those that exceed, or of all scored."""
        vetoed = np.zeros(len(self.score), np.bool_)
        if not veto.is_on:
            return vetoed
        rows = np.flatnonzero(~np.isnan(self.score) if with_all else self.score > EXCEEDS)
        if len(rows):
            vetoed[rows] = veto.vetoed(*self._columns(rows))
        return vetoed

    def _columns(self, rows: Int64s) -> tuple[Float64s, Float64s, Float64s]:
        """Share of the error, observed (NaN where masked), expected in the sensors' units; each (F, len(rows))."""
        at = np.searchsorted(self._due, rows)
        observed = self._frames.values[rows].T
        error = self._reconstruction.per_sensor(at)
        for nth in np.flatnonzero(self.view[rows] >= STILL).tolist():
            error[:, nth] = self._by_form(int(rows[nth]))
        error = np.where(np.isnan(observed), np.nan, error)
        mean, scale = self._history.units(self._frames.series[rows])
        return shares(error), observed, self._reconstruction.expected(at) * scale.T + mean.T

    def _by_form(self, row: int) -> Float64s:
        """Score of each sensor in frame `row` by its view, one of form: (F,)."""
        at = int(np.searchsorted(self._due, row))
        return self._odd.by_sensor(at, int(self.view[row]), len(self._definition.sensors))

    def _shares(self, row: int, made: Float64s, masked: Bools, error_scales: Float64s) -> Float64s:
        """Share of each sensor in the error of the frames (frames, F) up to `row`: (F,)."""
        end = int(self._windows.at[row]) + 1
        residual = self._windows.scaled[end - len(made) : end] - made.astype(np.float32)
        cells = np.where(masked, 0.0, cell_errors(residual, self._definition.spec.loss))
        error: Float64s = cells.sum(axis=0) / np.maximum((~masked).sum(axis=0), 1) / error_scales
        return shares(error[:, None])[:, 0]

    def _reconstructed(self, row: int) -> Float64s:
        """Reconstruction of the frames that the error of `row` spans, scaled: (frames, F).

        A tile of windows costs as much as one: it is filled with the frames that may be asked for next.
        """
        if row not in self._whole:
            later = self._due[self._due > row]
            spec = self._definition.spec
            most = min(TILE_ROWS, CELLS // (spec.members * spec.error_frames * spec.sensors))
            rows = np.append(row, later[self.score[later] > EXCEEDS][: max(most - 1, 0)])
            made = self._definition.ensemble.reconstructed(self._windows.scaled, self._windows.at[rows])
            self._whole = dict(zip(rows.tolist(), np.moveaxis(made, -1, 0), strict=True))
        return self._whole[row]


def _share(
    name: str, share: float, observed: float, expected: float, at: int, outside: bool = False, visible: bool = True
) -> SensorShare:
    masked = bool(np.isnan(observed))
    return SensorShare(
        name=name,
        share=float(share),
        observed=None if masked else float(observed),
        expected=float(expected),
        direction="unknown" if masked else "high" if observed > expected else "low",
        outside=outside,
        at=int(at),
        visible=visible,
    )
