"""Capacity of a model, measured by synthetic anomalies of graded size in held-out normal data.

1. Evenly spread segments of W + M - 1 frames are cut from the gate part. Where that is too short, from calibrate.
2. Each kind of anomaly is injected at each size. 3. Errors, level and threshold are those of the bundle; rules are not
applied. 4. The reconstruction with the anomaly is compared with the one without it. The share of the deviation that is
given back leaves no error. 5. The model is too strong (over) if it is free to copy too much. It is too weak (under) if
it explains hardly more than by copying, and simple detectors find clearly more of the same anomalies. It is blind if
nothing of any kind and size is found, because the threshold is far above: not even the largest level shift of a quarter
of the sensors.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from torch import Tensor

from stream.detect.definition import Definition
from stream.detect.policy import ModelSpec
from stream.intake.columns import UInt8s
from stream.registry.capacity_facts import BesideFacts, CapacityFacts, CapacityVerdict, InjectedKind, InjectedSize
from training.data.framing import FramedHistory
from training.data.split import Part
from training.data.synthetic import DEVIATIONS, KINDS, SIZES, UNITS, Kind
from training.gate.beside import CLEARLY, SimpleDetectors
from training.gate.injection import InjectionTrial
from training.gate.segments import FEWEST, HeldOutSegments, cut_segments, most_segments

# More windows in the fewest segments would take longer than the training.
MOST_WINDOWS = 1 << 14
# Least explained share of the variation that the model is not free to copy.
LEAST_EXPLAINED = 0.1
HALF, NINE_TENTHS = 0.5, 0.9
# A smaller share is found by chance: one of the fewest segments.
NOTHING = 1.0 / FEWEST


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
    beside = SimpleDetectors(framed, part, definition, segments)
    trial = InjectionTrial(segments, definition, weights, beside)
    explained = trial.explained()
    if explained is None:
        return _not_judged("no sensor moves in the held-out parts")
    spec, freedom = definition.spec, trial.freedom(seed)
    kinds: dict[str, InjectedKind] = {kind: _injected(trial, kind, seed) for kind in KINDS}
    # A view of its own finds a sensor that stops, however high the threshold is for all other errors.
    sizes = [one.found for kind, of in kinds.items() if kind != "freeze" for one in of.sizes]
    found = max(trial.found_in_many(max(DEVIATIONS), seed), *sizes)
    compared = beside.compared(seed)
    verdict = _verdict(freedom, freedom_limit(spec), explained, found, compared)
    numbers = (
        f"gives back {max(freedom, 0.0):.0%} of small noise ({freedom_limit(spec):.0%} at most is fine), "
        f"explains {explained:.0%} of normal data{'' if compared is None else f', {compared.said}'}"
    )
    return CapacityFacts(
        verdict=verdict,
        reason="; ".join([numbers, *_remedy(verdict, spec, found, kinds)]),
        part=source.name.lower(),
        segments=len(segments),
        frames=spec.receptive_field,
        freedom=freedom,
        most_freedom=freedom_limit(spec),
        explained=explained,
        found_in_normal=trial.found_in_normal(),
        kinds=kinds,
        most_found=found,
        beside=compared,
    )


def _verdict(
    freedom: float, limit: float, explained: float, found: float, compared: BesideFacts | None
) -> CapacityVerdict:
    """Too strong: free to copy more than the limit. Blind: finds nothing. Too weak: hardly more than a copy, and less.

    A model that explains little may still rank anomalies well, so a copy alone is no reason.
    """
    if freedom > limit:
        return "too strong"
    if found <= NOTHING:
        return "blind"
    by_copying = freedom + LEAST_EXPLAINED * (1.0 - freedom)
    return "too weak" if explained <= by_copying and compared is not None and compared.more[0] > CLEARLY else "fine"


def _remedy(
    verdict: CapacityVerdict, spec: ModelSpec, found: float, kinds: Mapping[str, InjectedKind]
) -> Iterator[str]:
    """The rest of the reason of a verdict: what to do, or why large anomalies are missed though the model is fine."""
    if verdict == "too strong":
        yield _lower_capacity(spec)
    elif verdict == "too weak":
        yield (
            "it explains hardly more than by copying, and a limit for each sensor would find as much; give it sensors "
            "that hang together, longer history, or a longer `model.window`"
        )
    elif verdict == "blind":
        yield blindness(found)
    elif (largest := [one.sizes[-1].found for one in kinds.values() if one.sizes]) and max(largest) < HALF:
        yield "its threshold hides the largest anomalies of one sensor: give more normal data, or allow more alerts"
    elif followed := [kind for kind, one in kinds.items() if _is_followed(one)]:
        yield f"it follows {', '.join(followed)}, of which less than half is found"


def _segments(framed: FramedHistory, part: UInt8s, spec: ModelSpec, seed: int) -> tuple[Part, HeldOutSegments]:
    """Segments of gate, or of calibrate where those of gate are too few; with the part they are from."""
    frames = spec.receptive_field
    gate, calibrate = (
        cut_segments(framed, framed.within(part, source, frames), frames, most_segments(spec), seed)
        for source in (Part.GATE, Part.CALIBRATE)
    )
    return (Part.GATE, gate) if len(gate) >= FEWEST else (Part.CALIBRATE, calibrate)


def _injected(trial: InjectionTrial, kind: Kind, seed: int) -> InjectedKind:
    """Results for the sizes of an anomaly that segments can have."""
    results = [trial.inject(kind, size, seed) for size in SIZES[kind]]
    sizes = tuple(result for result in results if isinstance(result, InjectedSize))
    reasons = [result for result in results if isinstance(result, str)]
    return InjectedKind(
        UNITS[kind], sizes, _least(sizes, HALF), _least(sizes, NINE_TENTHS), None if sizes else reasons[0]
    )


def _least(sizes: Sequence[InjectedSize], share: float) -> float | None:
    """Smallest size from which on at least this share is found; None: at no size."""
    enough = list(takewhile(lambda one: one.found >= share, reversed(sizes)))
    return enough[-1].size if enough else None


def _is_followed(of: InjectedKind) -> bool:
    """True where the largest size is not found because the model reconstructs it."""
    return any(one.found < HALF and (one.given_back or 0.0) > HALF for one in of.sizes[-1:])


def _not_judged(reason: str) -> CapacityFacts:
    return CapacityFacts("not judged", reason, None, None, None, None, None, None, None, {})
