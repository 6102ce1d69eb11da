"""Score of the Skoltech Anomaly Benchmark: alarms frame by frame, pooled over files."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from stream.errors import DataError
from stream.intake.columns import Bools


@dataclass(frozen=True)
class Confusion:
    """Counts of frames by alarm and label. A frame without a score is a frame without an alarm."""

    true_alarms: int
    false_alarms: int
    true_rests: int
    missed: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where nothing is labelled and nothing alarmed."""
        wrong = (self.false_alarms + self.missed) / 2
        return _share(self.true_alarms, self.true_alarms + wrong)

    @property
    def far(self) -> float | None:
        """False alarm rate, %, of the normal frames; None where there are none."""
        return _share(100 * self.false_alarms, self.false_alarms + self.true_rests)

    @property
    def mar(self) -> float | None:
        """Missed alarm rate, %, of the labelled frames; None where there are none."""
        return _share(100 * self.missed, self.missed + self.true_alarms)


def pooled(files: Iterable[tuple[Bools, Bools]]) -> Confusion:
    """Counts frames over all files together; figures of files are not averaged.

    Args:
        files: alarms bool (T,), labels bool (T,) of each.

    Raises:
        DataError: alarms and labels are not of the same frames.

    Source: the outlier detection problem of SKAB v0.9 (Katser and Kozitsin, 2020). By its protocol of April 2024 the
    first 400 rows of a file are not scored.
    """
    counts = np.zeros((2, 2), np.int64)
    for alarms, labels in files:
        if alarms.shape != labels.shape:
            raise DataError(f"alarms {alarms.shape} and labels {labels.shape}; give both of each frame")
        counts += np.bincount(2 * alarms.astype(np.int64) + labels, minlength=4).reshape(2, 2)
    (rests, missed), (false, true) = counts.tolist()
    return Confusion(true, false, rests, missed)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
