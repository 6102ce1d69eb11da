"""Promised and realised alerts over repeated calibrations of one world."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.settings.detection import ThresholdSettings
from tests.promise.worlds import ERRORS, RULES, Errors, World, alone, fleet
from training.calibration.calibrate import Calibration, calibrate
from training.calibration.levels import Levels, incidents

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A world and a promise. Its thresholds are judged on `weeks` of each series."""

    name: str
    world: World
    options: ThresholdSettings
    weeks: float

    @property
    def series(self) -> int:
        return len(self.world.size)


@dataclass(frozen=True)
class CaseResult:
    """Realised / promised of each calibration; how many of them have an extrapolated tail, or the truth in `likely`."""

    name: str
    ratios: Floats
    extrapolated: int
    held: int

    @property
    def median(self) -> float:
        return float(np.median(self.ratios))

    @property
    def mean(self) -> float:
        return float(self.ratios.mean())

    @property
    def spread(self) -> tuple[float, float]:
        """10 % and 90 % quantile."""
        low, high = np.quantile(self.ratios, [0.1, 0.9])
        return float(low), float(high)

    def facts(self) -> dict[str, object]:
        low, high = self.spread
        of_all = {"calibrations": len(self.ratios), "extrapolated": self.extrapolated, "held": self.held}
        return {"case": self.name, "median": self.median, "mean": self.mean, "p10": low, "p90": high} | of_all


def run_case(case: Case, repeats: int, seed: int = 0) -> CaseResult:
    """Calibrates `repeats` times on new levels, and judges all thresholds on the same long levels."""
    truth = case.world.afterwards(np.random.default_rng([seed, 1]), case.weeks)
    draw = np.random.default_rng([seed, 2])
    found = [calibrate(case.world.calibration(draw), RULES, case.options, nth) for nth in range(repeats)]
    ratios = [realised_ratio(truth, one.table.of_each(truth.names), case.options) for one in found]
    held = sum(_likely(one)[0] <= ratio <= _likely(one)[1] for one, ratio in zip(found, ratios, strict=True))
    return CaseResult(case.name, np.array(ratios), sum(one.extrapolated for one in found), held)


def _likely(of: Calibration) -> tuple[float, float]:
    """The interval of the promise, as realised / promised."""
    low, high = of.likely
    if of.method == "budget":
        return low / of.promised, high / of.promised
    return (100 - high) / (100 - of.promised), (100 - low) / (100 - of.promised)


def realised_ratio(truth: Levels, thresholds: Floats, options: ThresholdSettings) -> float:
    """Incidents per series and week over the budget, or the share above the threshold over the promised share."""
    score = truth.level / thresholds[truth.series]
    if options.method == "budget":
        return incidents(truth, score, RULES) / truth.weeks / options.alerts_per_week
    return float((score > 1).mean()) / (1 - options.percentile / 100)


def cases() -> list[Case]:
    """Lists the cases of each kind of error.

    One series, many equal and many different ones, with promises that the data support. One series and a few, with
    promises that the data do not support.
    """
    return [
        case for name, errors in ERRORS.items() for case in (*_supported(name, errors), *_extrapolated(name, errors))
    ]


def _supported(name: str, errors: Errors) -> list[Case]:
    alike = fleet(errors, 200, 0.5, 0.1, 0)
    worlds = {"one": (alone(errors, 4.0), 2.0, 100.0), "200 alike": (alike, 0.5, 1.0)}
    worlds["200 unlike"] = (fleet(errors, 200, 0.5, 1.0, 0), 0.5, 1.0)
    return [
        Case(f"{name}, {series}, {options.method}", world, options, weeks)
        for series, (world, per_week, weeks) in worlds.items()
        for options in (budget(per_week), ThresholdSettings(method="percentile", percentile=99.0))
    ]


def _extrapolated(name: str, errors: Errors) -> list[Case]:
    one, few = alone(errors, 0.5), fleet(errors, 20, 0.25, 0.5, 0)
    return [
        Case(f"{name}, one, budget, extrapolated", one, budget(1.0), 200.0),
        Case(f"{name}, 20 unlike, budget, extrapolated", few, budget(0.2), 40.0),
        Case(
            f"{name}, one, percentile, extrapolated",
            one,
            ThresholdSettings(method="percentile", percentile=99.9),
            200.0,
        ),
    ]


def budget(per_week: float) -> ThresholdSettings:
    return ThresholdSettings(method="budget", alerts_per_week=per_week)
