"""Capacity of a model, measured by synthetic anomalies of graded size in held-out normal data.

1. Evenly spread segments of W + M - 1 frames are cut from the gate part. Where that is too short, from calibrate.
2. Each kind of anomaly is injected at each size. 3. Errors, level and threshold are those of the bundle; rules are not
applied. 4. The reconstruction with the anomaly is compared with the one without it. The share of the deviation that is
given back leaves no error. 5. The model is too strong (over) if it is free to copy too much. It is too weak (under) if
it explains hardly more than by copying. It is blind if nothing of any kind and size is found, because the threshold is
far above: not even the largest level shift of a quarter of the sensors.
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
from training.data.synthetic import DEVIATIONS, KINDS, SIZES, UNITS, Kind
from training.gate.injection import InjectionTrial
from training.gate.segments import FEWEST, HeldOutSegments, cut_segments, most_segments

# More windows in the fewest segments would take longer than the training.
MOST_WINDOWS = 1 << 14
# Least explained share of the variation that the model is not free to copy.
LEAST_EXPLAINED = 0.1
HALF, NINE_TENTHS = 0.5, 0.9
# A smaller share is found by chance: one of the fewest segments.
NOTHING = 1.0 / FEWEST


@dataclass(frozen=True, slots=True)
class KindResult:
    """Results for one kind of anomaly.

    Attributes:
        unit: of its sizes.
        sizes: the sizes that segments can have, ascending.
        why_none: why no segment can have such an anomaly, else None.
    """

    unit: str
    sizes: tuple[InjectedSize, ...]
    why_none: str | None

    def least(self, share: float) -> float | None:
        """Smallest size from which on at least this share is found; None: at no size."""
        least = None
        for one in reversed(self.sizes):
            if one.found < share:
                break
            least = one.size
        return least

    @property
    def followed(self) -> bool:
        """The largest size is not found because the model reconstructs it."""
        if not self.sizes:
            return False
        largest = self.sizes[-1]
        return largest.found < HALF and largest.given_back is not None and largest.given_back > HALF

    def facts(self) -> InjectedKind:
        """For the manifest."""
        return InjectedKind(self.unit, self.sizes, self.least(HALF), self.least(NINE_TENTHS), self.why_none)


@dataclass(frozen=True, slots=True)
class Capacity:
    """Capacity of a model, measured on segments of one part of the history.

    Attributes:
        segments: number of segments.
        freedom: degrees of freedom per value of a window; see `InjectionTrial.freedom`.
        explained: see `InjectionTrial.explained`.
        found_in_normal: share of the unchanged segments above the threshold. No share found is below it.
        found_in_many: see `InjectionTrial.found_in_many`, of the largest deviations.
    """

    spec: ModelSpec
    part: Part
    segments: int
    freedom: float
    explained: float
    found_in_normal: float
    found_in_many: float
    kinds: Mapping[Kind, KindResult]

    @property
    def verdict(self) -> CapacityVerdict:
        """Too strong: free to copy more than the limit. Blind: finds nothing. Too weak: hardly more than a copy."""
        if self.freedom > freedom_limit(self.spec):
            return "too strong"
        if self.found <= NOTHING:
            return "blind"
        by_copying = self.freedom + LEAST_EXPLAINED * (1.0 - self.freedom)
        return "fine" if self.explained > by_copying else "too weak"

    @property
    def found(self) -> float:
        """The largest share found, of all kinds and sizes, and of shifts of many sensors."""
        return max([self.found_in_many, *(one.found for kind in self.kinds.values() for one in kind.sizes)])

    @property
    def reason(self) -> str:
        """The reason of the verdict, and what to do."""
        numbers = (
            f"gives back {max(self.freedom, 0.0):.0%} of small noise ({freedom_limit(self.spec):.0%} at most is fine), "
            f"explains {self.explained:.0%} of normal data"
        )
        if self.verdict == "too strong":
            return f"{numbers}; {_lower_capacity(self.spec)}"
        if self.verdict == "too weak":
            return (
                f"{numbers}, which is hardly more than by copying: a limit for each sensor would find as much; give it "
                "sensors that hang together, longer history, or a longer `model.window`"
            )
        if self.verdict == "blind":
            return f"{numbers}; {blindness(self.found)}"
        return "; ".join([numbers, *self._missed()])

    def _missed(self) -> Iterator[str]:
        """The reason why large anomalies are missed, though the model is fine."""
        largest = [one.sizes[-1].found for one in self.kinds.values() if one.sizes]
        if largest and max(largest) < HALF:
            yield "its threshold hides the largest anomalies of one sensor: give more normal data, or allow more alerts"
        elif followed := [kind for kind, one in self.kinds.items() if one.followed]:
            yield f"it follows {', '.join(followed)}, of which less than half is found"

    def facts(self) -> CapacityFacts:
        """For the manifest."""
        return CapacityFacts(
            verdict=self.verdict,
            reason=self.reason,
            part=self.part.name.lower(),
            segments=self.segments,
            frames=self.spec.receptive_field,
            freedom=self.freedom,
            most_freedom=freedom_limit(self.spec),
            explained=self.explained,
            found_in_normal=self.found_in_normal,
            kinds={kind: one.facts() for kind, one in self.kinds.items()},
            most_found=self.found,
        )


def blindness(found: float) -> str:
    """The reason why a model that finds this share of the easiest anomalies is blind, and what to do."""
    return (
        f"its threshold hides everything: of the largest anomalies, in one sensor or in a quarter of them, {found:.0%} "
        "are found; label or exclude the faults in the history, give more normal data, or allow more alerts"
    )


def freedom_limit(spec: ModelSpec) -> float:
    """Limit of the degrees of freedom per value: a third, and one value more; a half for a window of one value.

    The narrowest code has one value. The default code has a quarter of the window's values, and gives back somewhat
    more noise than that where it is trained with masked values.
    """
    size = spec.window * spec.sensors
    return 1.0 / 3.0 + 1.0 / size if size > 1 else 0.5


def _lower_capacity(spec: ModelSpec) -> str:
    if spec.window * spec.sensors == 1:
        return "a window of one value leaves no room for a narrower code: set `model.window` above 1"
    less = f"lower `model.latent` (it is {spec.latent} of {spec.window * spec.sensors} values)"
    return less if spec.kind == "linear" else f"{less} or `model.hidden`, or raise `model.noise`"


def measure_capacity(
    framed: FramedHistory, part: UInt8s, definition: Definition, weights: Mapping[str, Tensor], seed: int
) -> CapacityFacts:
    """Measures the capacity of a model, for the manifest; `not judged` with the reason where too little is held out.

    Args:
        part: uint8 (T,), `Part`s of the frames.
        definition: of the model, with its calibrated thresholds.
        weights: of the definition's ensemble.
    """
    if FEWEST * definition.spec.smoothing > MOST_WINDOWS:
        return _not_judged(f"levels of {definition.spec.smoothing} errors would take too long to try")
    source, segments = _segments(framed, part, definition.spec, seed)
    if len(segments) < FEWEST:
        return _not_judged(
            f"{len(segments)} strips of {definition.spec.receptive_field} frames in the calibrate part, fewer in gate; "
            f"{FEWEST} are needed: give longer history, or a shorter `model.window`"
        )
    trial = InjectionTrial(segments, definition, weights)
    explained = trial.explained()
    if explained is None:
        return _not_judged("no sensor moves in the held-out parts")
    return Capacity(
        spec=definition.spec,
        part=source,
        segments=len(segments),
        freedom=trial.freedom(seed),
        explained=explained,
        found_in_normal=trial.found_in_normal(),
        found_in_many=trial.found_in_many(max(DEVIATIONS), seed),
        kinds={kind: _kind_result(trial, kind, seed) for kind in KINDS},
    ).facts()


def _segments(framed: FramedHistory, part: UInt8s, spec: ModelSpec, seed: int) -> tuple[Part, HeldOutSegments]:
    """Segments of gate, or of calibrate where those of gate are too few; with the part they are from."""
    frames = spec.receptive_field
    gate, calibrate = (
        cut_segments(framed, framed.within(part, source, frames), frames, most_segments(spec), seed)
        for source in (Part.GATE, Part.CALIBRATE)
    )
    return (Part.GATE, gate) if len(gate) >= FEWEST else (Part.CALIBRATE, calibrate)


def _kind_result(trial: InjectionTrial, kind: Kind, seed: int) -> KindResult:
    results = [trial.inject(kind, size, seed) for size in SIZES[kind]]
    sizes = tuple(result for result in results if isinstance(result, InjectedSize))
    reasons = [result for result in results if isinstance(result, str)]
    return KindResult(UNITS[kind], sizes, None if sizes else reasons[0])


def _not_judged(reason: str) -> CapacityFacts:
    return CapacityFacts("not judged", reason, None, None, None, None, None, None, None, {})
