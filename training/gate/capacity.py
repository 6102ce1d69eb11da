"""How constrained a model is: synthetic anomalies of graded size are put into held-out normal data, and looked for.

1. Segments of W + M - 1 frames are taken, evenly spread, of the gate part, unseen; where it is too short,
of the calibrate part. 2. Each kind at each size goes into each strip (`synthetic`). 3. Errors, level and threshold are
those of the bundle; rules are left aside. 4. What the model makes of a deviation beside what it makes of the window
without it tells how much it gives back: what is given back leaves no error. 5. From what it is free to copy, and what
it explains, follows whether it is too strong or too weak.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.policy import ModelSpec
from stream.intake.columns import UInt8s
from stream.registry.manifest_facts import CapacityFacts, CapacityVerdict, InjectedKind, InjectedSize
from training.data.framing import FramedHistory
from training.data.split import Part
from training.data.synthetic import KINDS, SIZES, UNITS, Kind
from training.gate.injection import InjectionTrial
from training.gate.segments import FEWEST, HeldOutSegments, cut_segments, most_segments

# Windows of the fewest strips: of more, the trials would take longer than the training.
MOST_WINDOWS = 1 << 14
# Of what it is not free to copy: a model that explains hardly any of that explains nothing.
LEAST_EXPLAINED = 0.1
HALF, NINE_TENTHS = 0.5, 0.9


@dataclass(frozen=True, slots=True)
class Tried:
    """A kind of anomaly.

    Attributes:
        unit: of its sizes.
        steps: those that strips could have, by ascending size.
        why_none: the reason that there is none, else None.
    """

    unit: str
    steps: tuple[InjectedSize, ...]
    why_none: str | None

    def least(self, share: float) -> float | None:
        """The smallest size of which, and of every larger one, at least this share is found; None: of none."""
        least = None
        for step in reversed(self.steps):
            if step.found < share:
                break
            least = step.size
        return least

    @property
    def followed(self) -> bool:
        """Its largest size stays unfound, because the model follows it."""
        if not self.steps:
            return False
        largest = self.steps[-1]
        return largest.found < HALF and largest.given_back is not None and largest.given_back > HALF

    def facts(self) -> InjectedKind:
        """For the manifest."""
        return InjectedKind(self.unit, self.steps, self.least(HALF), self.least(NINE_TENTHS), self.why_none)


@dataclass(frozen=True, slots=True)
class Strength:
    """What trials of a model on n strips of a part say.

    Attributes:
        freedom: degrees of freedom per value of a window; see `InjectionTrial.freedom`.
        explained: see `InjectionTrial.explained`.
        found_in_normal: share of the strips above the threshold as they are: what every share found begins at.
    """

    spec: ModelSpec
    part: Part
    strips: int
    freedom: float
    explained: float
    found_in_normal: float
    tried: Mapping[Kind, Tried]

    @property
    def verdict(self) -> CapacityVerdict:
        """Too strong: free to copy more than it may. Too weak: explains nothing but by copying."""
        if self.freedom > freedom_limit(self.spec):
            return "too strong"
        by_copying = self.freedom + LEAST_EXPLAINED * (1.0 - self.freedom)
        return "fine" if self.explained > by_copying else "too weak"

    @property
    def said(self) -> str:
        """The verdict's reason, and what to do."""
        numbers = (
            f"gives back {max(self.freedom, 0.0):.0%} of small noise ({freedom_limit(self.spec):.0%} at most is fine), "
            f"explains {self.explained:.0%} of normal data"
        )
        if self.verdict == "too strong":
            return f"{numbers}; {_weaker(self.spec)}"
        if self.verdict == "too weak":
            return (
                f"{numbers}, which is hardly more than by copying: a limit for each sensor would find as much; give it "
                "sensors that hang together, longer history, or a longer `model.window`"
            )
        return "; ".join([numbers, *self._unfound()])

    def _unfound(self) -> Iterator[str]:
        """What large anomalies are missed for, though the model is fine."""
        largest = [tried.steps[-1].found for tried in self.tried.values() if tried.steps]
        if largest and max(largest) < HALF:
            yield "its threshold hides the largest anomalies of one sensor: give more normal data, or allow more alerts"
        elif followed := [kind for kind, tried in self.tried.items() if tried.followed]:
            yield f"it follows {', '.join(followed)}, of which less than half is found"

    def facts(self) -> CapacityFacts:
        """For the manifest."""
        return CapacityFacts(
            verdict=self.verdict,
            reason=self.said,
            part=self.part.name.lower(),
            segments=self.strips,
            frames=self.spec.receptive_field,
            freedom=self.freedom,
            most_freedom=freedom_limit(self.spec),
            explained=self.explained,
            found_in_normal=self.found_in_normal,
            kinds={kind: tried.facts() for kind, tried in self.tried.items()},
        )


def freedom_limit(spec: ModelSpec) -> float:
    """A third of a window's values, beside the one that the narrowest code has; of a window of one value a half.

    Codes as they are chosen have a quarter at most. Trained with blanks they give back somewhat more than their share.
    """
    size = spec.window * spec.sensors
    return 1.0 / 3.0 + 1.0 / size if size > 1 else 0.5


def _weaker(spec: ModelSpec) -> str:
    if spec.window * spec.sensors == 1:
        return "a window of one value leaves no room for a narrower code: set `model.window` above 1"
    less = f"lower `model.latent` (it is {spec.latent} of {spec.window * spec.sensors} values)"
    return less if spec.kind == "linear" else f"{less} or `model.hidden`, or raise `model.noise`"


def measure_capacity(
    framed: FramedHistory, part: UInt8s, definition: Definition, weights: Mapping[str, Tensor], seed: int
) -> CapacityFacts:
    """How constrained the model is, as a manifest keeps it; `not judged` with the reason where too little is held out.

    Args:
        part: uint8 (T,), `Part`s of the frames.
        definition: with its calibrated thresholds.
        weights: those of its ensemble.
    """
    if FEWEST * definition.spec.smoothing > MOST_WINDOWS:
        return _not_judged(f"levels of {definition.spec.smoothing} errors would take too long to try")
    judged, strips = _chosen(framed, part, definition.spec, seed)
    if len(strips) < FEWEST:
        return _not_judged(
            f"{len(strips)} strips of {definition.spec.receptive_field} frames in the calibrate part, fewer in gate; "
            f"{FEWEST} are needed: give longer history, or a shorter `model.window`"
        )
    trial = InjectionTrial(strips, definition, weights)
    explained = trial.explained()
    if explained is None:
        return _not_judged("no sensor moves in the held-out parts")
    return Strength(
        spec=definition.spec,
        part=judged,
        strips=len(strips),
        freedom=trial.freedom(seed),
        explained=explained,
        found_in_normal=trial.found_in_normal(),
        tried={kind: _tried(trial, kind, seed) for kind in KINDS},
    ).facts()


def _chosen(framed: FramedHistory, part: UInt8s, spec: ModelSpec, seed: int) -> tuple[Part, HeldOutSegments]:
    """Segments of gate; where they are too few, of calibrate."""
    frames = spec.receptive_field
    gate, calibrate = (
        cut_segments(framed, framed.within(part, wanted, frames), frames, most_segments(spec), seed)
        for wanted in (Part.GATE, Part.CALIBRATE)
    )
    return (Part.GATE, gate) if len(gate) >= FEWEST else (Part.CALIBRATE, calibrate)


def _tried(trial: InjectionTrial, kind: Kind, seed: int) -> Tried:
    outcomes = [trial.step(kind, size, seed) for size in SIZES[kind]]
    steps = tuple(outcome for outcome in outcomes if isinstance(outcome, InjectedSize))
    reasons = [outcome for outcome in outcomes if isinstance(outcome, str)]
    return Tried(UNITS[kind], steps, None if steps else reasons[0])


def _not_judged(reason: str) -> CapacityFacts:
    return CapacityFacts("not judged", reason, None, None, None, None, None, None, None, {})
