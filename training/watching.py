"""The sensors that the model watches, with their units. The parts of the history follow from them, and they from it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from stream.detect.frames.scale import ScaleTable
from stream.detect.frames.sentinels import MissingValues
from stream.detect.policy import FramePolicy
from stream.intake.columns import Readings
from stream.intake.sampling import sampling
from stream.intake.sampling_advice import SamplingAdvice, sampling_advice
from stream.messages import counted, some
from stream.registry.manifest_facts import DataFacts
from training.data.feedback import apply_feedback
from training.data.framing import FramedHistory, frame
from training.data.history import History, drop_sensors, ordered
from training.data.scaling import fit_moments
from training.data.split import Shares
from training.data.twins import with_note_on_twins
from training.data.unscaled import Unscaled, to_drop, unscaled
from training.defaults import choose_policy, longest_support, sentinels_of
from training.lengths import Cut, cut
from training.options import TrainOptions

# Sensors that a line names; the count says how many there are.
NAMED = 5


@dataclass(frozen=True)
class Prepared:
    """A history of some sensors, in order and in frames, with the policy by which it is framed.

    Attributes:
        advice: what to set, as series or sensors report at unlike steps; None: their steps are alike.
    """

    history: History
    policy: FramePolicy
    framed: FramedHistory
    advice: SamplingAdvice | None


@dataclass(frozen=True)
class Watched(Prepared):
    """A history of the sensors in the bundle, cut into parts, and their scales.

    Attributes:
        unscaled: sensors that move in the fit part of no series. Constant ones are watched in a unit by their value;
            others are left out, unless they have values and a setting reads them.
        wild: values of each sensor that its scales leave out, over all series.
    """

    lengths: Cut
    scales: ScaleTable
    unscaled: dict[str, Unscaled]
    wild: dict[str, int]

    def notes(self) -> Iterator[tuple[str, str]]:
        """Stages of the training, and a line on each where something is not as usual."""
        facts, lengths = self.named_in(DataFacts()), self.lengths
        unwatched, still = ([f"{name}: {why}" for name, why in of.items()] for of in (facts.unwatched, facts.still))
        if unwatched:
            yield "sensors", f"{len(unwatched)} not watched: {some(unwatched, NAMED, '; ')}"
        if still:
            settings = filter(None, (of.setting(name) for name, of in self.unscaled.items()))
            any_move = [f"any move opens an incident by a range: `{setting}`" for setting in settings][:1]
            line = "; ".join([some(still, NAMED, "; "), *any_move])
            yield "still", f"{counted(len(still), 'sensor')} {'stands' if len(still) == 1 else 'stand'} still: {line}"
        if self.wild:
            wild = some([f"{count:,} of {name}" for name, count in self.wild.items()], NAMED)
            yield "scale", f"values far from all others are left out of mean and deviation: {wild}"
        if lengths.why_shorter:
            yield "window", f"W = {lengths.window}, M = {lengths.smoothing}: {lengths.why_shorter}"

    def named_in(self, facts: DataFacts) -> DataFacts:
        """Facts about the history, with what its model does not see as it is."""
        unwatched, still = (
            {name: of.why for name, of in self.unscaled.items() if of.is_still == is_still}
            for is_still in (False, True)
        )
        sampling = None if self.advice is None else self.advice.sentence
        return msgspec.structs.replace(facts, unwatched=unwatched, still=still, wild=self.wild, sampling=sampling)


def prepare(options: TrainOptions, history: History) -> Prepared:
    """Frames a history by the policy for its sensors, and marks the frames that people judged."""
    frames, is_long = options.frames, history.layout.format == "long"
    missing = MissingValues(sentinels_of(frames), history.sensors)
    columns = [batch.columns for batch in history.batches]
    present = [replace(c, values=missing.removed(c.values)) if isinstance(c, Readings) else c for c in columns]
    found = sampling(present, len(history.sensors))
    advice = sampling_advice(found, history.sensors, frames.resample, frames.interval, frames.max_carry, is_long)
    policy = choose_policy(frames, options.rules, history.layout.format, found, len(history.sensors))
    history = ordered(history, policy)
    framed = frame(history.batches, policy, history.sensors)
    history = with_note_on_twins(history, framed)
    if options.feedback is not None:
        lag = longest_support(options.model) - 1
        framed = apply_feedback(framed, options.feedback.spans(), lag, policy.max_carry)
    return Prepared(history, policy, framed, advice)


def watch(options: TrainOptions, of: Prepared) -> Watched:
    """Cuts a history into parts, and leaves out the sensors without values there, until each sensor has some.

    Raises:
        ConfigError: a setting reads such a sensor.
        DataError: a part has no row, or no sensor is left.
    """
    seen: dict[str, Unscaled] = {}
    while True:
        lengths = cut(of.framed, options.model, options.threshold, Shares(**dict(options.train.parts)))
        fitted = fit_moments(of.framed, lengths.part)
        found = unscaled(of.framed, fitted, of.history.sensors)
        seen |= found
        dropped = to_drop(found, of.history.sensors, of.policy, options.rules)
        if not dropped:
            break
        of = prepare(options, drop_sensors(of.history, dropped))
    counts = fitted.own.wild.sum(axis=0).tolist()
    wild = {name: count for name, count in zip(of.history.sensors, counts, strict=True) if count}
    return Watched(of.history, of.policy, of.framed, of.advice, lengths, fitted.table(), seen, wild)
