"""The sensors that the model watches, with their units. The parts of the history follow from them, and they from it."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from stream.detect.frames.scale import ScaleTable
from stream.detect.policy import FramePolicy
from stream.registry.manifest_facts import DataFacts
from training.data.framing import FramedHistory
from training.data.history import History, drop_sensors
from training.data.scaling import fit_moments
from training.data.split import Shares
from training.data.unscaled import Unscaled, to_drop, unscaled
from training.lengths import Cut, cut
from training.options import TrainOptions

Reframe = Callable[[History], tuple[History, FramePolicy, FramedHistory, object]]
# Sensors that a line names; the count says how many there are.
NAMED = 5


@dataclass(frozen=True)
class Watched:
    """A history of the sensors in the bundle, cut into parts, and their scales.

    Attributes:
        unscaled: sensors that move in the fit part of no series. Constant ones are watched in a unit by their value;
            others are left out, unless they have values and a setting reads them.
        wild: values of each sensor that its scales leave out, over all series.
        sampling: series or sensors that report at unlike steps, and what to set; None: their steps are alike.
    """

    history: History
    policy: FramePolicy
    framed: FramedHistory
    lengths: Cut
    scales: ScaleTable
    unscaled: dict[str, Unscaled]
    wild: dict[str, int]
    sampling: str | None = None

    @property
    def notes(self) -> list[tuple[str, str]]:
        """Stages of the training, and a line on each where something is not as usual."""
        lengths, facts = self.lengths, self.named_in(DataFacts())
        settings = (of.setting(name) for name, of in self.unscaled.items())
        any_move = next(
            (f"; any move opens an incident by a range: `{setting}`" for setting in settings if setting), ""
        )
        unwatched, still = (
            _listed([f"{name}: {why}" for name, why in of.items()], "; ") for of in (facts.unwatched, facts.still)
        )
        wild = _listed([f"{count:,} of {name}" for name, count in self.wild.items()], ", ")
        lines = {
            "sensors": unwatched and f"{len(facts.unwatched)} not watched: {unwatched}",
            "still": still and f"{len(facts.still)} sensors stand still: {still}{any_move}",
            "scale": wild and f"values far from all others are left out of mean and deviation: {wild}",
            "window": lengths.why_shorter
            and f"W = {lengths.window}, M = {lengths.smoothing}: {lengths.why_shorter}",
        }  # fmt: skip
        return [(stage, line) for stage, line in lines.items() if line]

    def named_in(self, facts: DataFacts) -> DataFacts:
        """Facts about the history, with what its model does not see as it is."""
        unwatched, still = (
            {name: of.why for name, of in self.unscaled.items() if of.is_still == is_still}
            for is_still in (False, True)
        )
        return msgspec.structs.replace(facts, unwatched=unwatched, still=still, wild=self.wild, sampling=self.sampling)


def watch(
    options: TrainOptions, history: History, policy: FramePolicy, framed: FramedHistory, reframe: Reframe
) -> Watched:
    """Cuts a history into parts, and leaves out the sensors without values there, until each sensor has some.

    Raises:
        ConfigError: a setting reads such a sensor.
        DataError: a part has no row, or no sensor is left.
    """
    said: dict[str, Unscaled] = {}
    while True:
        lengths = cut(framed, options.model, options.threshold, Shares(**dict(options.train.parts)))
        fitted = fit_moments(framed, lengths.part)
        found = unscaled(framed, fitted, history.sensors)
        said |= found
        dropped = to_drop(found, history.sensors, policy, options.rules)
        if not dropped:
            break
        history, policy, framed, _ = reframe(drop_sensors(history, dropped))
    counts = fitted.own.wild.sum(axis=0).tolist()
    wild = {name: count for name, count in zip(history.sensors, counts, strict=True) if count}
    return Watched(history, policy, framed, lengths, fitted.table(), said, wild)


def _listed(lines: list[str], separator: str) -> str:
    """The first of these lines, and the number of the others."""
    left = len(lines) - NAMED
    return separator.join(lines[:NAMED] + ([f"and {left} more"] if left > 0 else []))
