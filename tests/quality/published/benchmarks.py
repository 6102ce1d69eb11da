"""NAB's and SKAB's scores of an evaluation, for our detector and for every floor, and their JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stream.detect.incidents.incidents import EXCEEDS
from stream.intake.columns import Bools, Float64s
from tests.quality.published.nab import PROFILES, Corpus, NabScore, best_nab, corpus, nab
from tests.quality.published.skab import Confusion, pooled
from training.data.spans import Span
from training.evaluate.evaluation import OURS, Evaluation
from training.evaluate.figures import Detections, GroundTruth
from training.evaluate.labelled import spans

# NAB detects where a score is at least the threshold; ours exceeds.
ABOVE = float(np.nextafter(EXCEEDS, np.inf))


@dataclass(frozen=True)
class Nab:
    """NAB's scores under one profile.

    Attributes:
        oracle: by the best of all thresholds, frame by frame.
        opened: by our threshold; a detection is the frame at which an incident opens. None without a threshold.
        above: by our threshold; a detection is every frame above it. None without a threshold.
    """

    oracle: NabScore
    opened: NabScore | None
    above: NabScore | None


def all_detections(of: Evaluation) -> list[Detections]:
    """Detections of our detector, then of every floor."""
    ours = Detections(OURS, of.labelled.score, spans(of.labelled.incidents))
    return [ours, *(() if of.baselines is None else of.baselines.detections)]


def nab_scores(known: GroundTruth, detections: Detections) -> dict[str, Nab]:
    """NAB's scores by the name of the profile."""
    scored = _corpus(known, detections.score)
    at_ours: tuple[Corpus, Corpus] | None = None
    if detections.incidents is not None:
        at_ours = _corpus(known, _opened(known, detections.incidents).astype(np.float64)), scored
    return {
        profile.name: Nab(
            oracle=best_nab(scored, profile),
            opened=None if at_ours is None else nab(at_ours[0], 1.0, profile),
            above=None if at_ours is None else nab(at_ours[1], ABOVE, profile),
        )
        for profile in PROFILES
    }


def skab_counts(known: GroundTruth, detections: Detections) -> Confusion | None:
    """SKAB's counts of frames; None without a threshold."""
    if detections.incidents is None:
        return None
    alarms = detections.score > EXCEEDS  # false where there is no score
    return pooled((alarms[at], known.labels[at]) for at in known.rows.values())


def nab_facts(of: dict[str, Nab]) -> dict[str, Any]:
    """The scores as JSON can hold them."""
    return {
        profile: {name: None if score is None else _score_facts(score) for name, score in vars(one).items()}
        for profile, one in of.items()
    }


def skab_facts(of: Confusion | None) -> dict[str, Any] | None:
    """The counts and their rates as JSON can hold them."""
    return None if of is None else asdict(of) | {"f1": of.f1, "far": of.far, "mar": of.mar}


def _score_facts(of: NabScore) -> dict[str, Any]:
    # The threshold is infinite where nothing is detected; JSON has no infinity.
    return asdict(of) | {"threshold": of.threshold if of.threshold < float("inf") else None}


def _corpus(known: GroundTruth, score: Float64s) -> Corpus:
    return corpus((score[at], known.labels[at]) for at in known.rows.values())


def _opened(known: GroundTruth, incidents: Sequence[Span]) -> Bools:
    """Mask of frames at which an incident opens, bool (T,)."""
    opened = np.zeros(len(known.labels), np.bool_)
    for span in incidents:
        at = known.rows[span.series]
        opened[at.start + int(np.searchsorted(known.time[at], span.start_ns))] = True
    return opened
