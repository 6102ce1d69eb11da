"""The verdict record of a frame, as the optional scores topic has it."""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from stream.detect.outcome import Verdict, Verdicts
from stream.events.record import rfc3339

VerdictName = Literal["scored", "warming", "degraded", "off"]
# Invariant: in the order of `Verdict`.
VERDICTS: tuple[VerdictName, ...] = ("scored", "warming", "degraded", "off")
assert tuple(verdict.name.lower() for verdict in Verdict) == VERDICTS


class FrameVerdict(msgspec.Struct, frozen=True):
    """Verdict of one frame, for the optional scores topic; numbers are null where the frame was not scored."""

    series: str
    time: str
    verdict: VerdictName
    score: float | None
    level: float | None
    error: float | None
    disagreement: float | None
    imputed: int
    model_version: str


def frame_verdicts(verdicts: Verdicts, version: str) -> Iterator[FrameVerdict]:
    """Makes one record per frame; `version`: that of the bundle."""
    columns = (verdicts.score, verdicts.level, verdicts.error, verdicts.disagreement)
    score, level, error, disagreement = ([None if np.isnan(x) else x for x in c.tolist()] for c in columns)
    for i, (slot, time, kind) in enumerate(
        zip(verdicts.series.tolist(), verdicts.time.tolist(), verdicts.verdict.tolist(), strict=True)
    ):
        yield FrameVerdict(
            series=verdicts.names[slot],
            time=rfc3339(time),
            verdict=VERDICTS[kind],
            score=score[i],
            level=level[i],
            error=error[i],
            disagreement=disagreement[i],
            imputed=int(verdicts.imputed[i]),
            model_version=version,
        )
