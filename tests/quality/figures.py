"""Figures of a data set from its runs: rankings by series, and counts of events and alerts, seed by seed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.quality.moments import SIMPLE

Run = Mapping[str, Any]
RANKINGS = {"vus_pr": "VUS-PR", "auc_pr": "AUC-PR", "auc_roc": "AUC-ROC"}
# A series is as good as the best simple detector where its area is at most this much smaller.
MARGIN = 0.05


@dataclass(frozen=True)
class SeriesRanking:
    """Areas of one series: ours of each seed, and of each simple detector."""

    ours: Mapping[str, tuple[float, ...]]
    floors: Mapping[str, Mapping[str, float]]

    def mean(self, area: str) -> float:
        """Ours, mean over seeds."""
        return float(np.mean(self.ours[area]))

    def best(self, area: str) -> float:
        """Largest area of a simple detector."""
        return max(self.floors[area].values())

    @property
    def good(self) -> bool:
        """Our VUS-PR is not below the best by more than the margin."""
        return self.mean("vus_pr") >= self.best("vus_pr") - MARGIN


@dataclass(frozen=True)
class Counts:
    """Events and alerts of all series of a set, or of one, with one seed.

    Attributes:
        found: events in which an alert opened. met: those that only an older alert met.
        lengths: by name, events and found ones.
        delays_s: of the events found.
        alerts: alerts that are not true, in `weeks` normal series-weeks; `promised` is the number that was promised.
        normal: scored normal frames; `above` the threshold, and `in_alarm`, during an open alert.
    """

    events: int
    found: int
    met: int
    lengths: Mapping[str, tuple[int, int]]
    delays_s: tuple[float, ...]
    alerts: int
    weeks: float
    promised: float
    normal: int
    above: float
    in_alarm: float

    @property
    def times_promised(self) -> float | None:
        """Alerts that are not true, as a multiple of the promise; None without a promise."""
        return self.alerts / self.promised if self.promised else None


def series_rankings(results: Sequence[Run]) -> dict[tuple[str, str], SeriesRanking]:
    """The areas of each series that has both labels, by group and name."""
    ours: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    floors: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for result in results:
        mine, *others = result["budget"]["detectors"]
        for name, one in mine["series"].items():
            ours[result["group"], name].append(one)
        for other in others:
            for name, one in other["series"].items():
                floors[result["group"], name][other["name"]] = one
    return {
        place: SeriesRanking(
            {area: tuple(one[area] for one in seeds) for area in RANKINGS},
            {area: {name: floors[place][name][area] for name in SIMPLE} for area in RANKINGS},
        )
        for place, seeds in ours.items()
        if seeds[0]["vus_pr"] is not None and floors[place]["max abs z"]["vus_pr"] is not None
    }


def counts(results: Sequence[Run]) -> Counts:
    """Counts of these runs together; all of one seed."""
    events = [event for result in results for event in result["budget"]["labelled_events"]]
    judged = [result["budget"] for result in results if not result.get("refused")]
    promises = [one["promise"] for one in judged]
    lengths: dict[str, tuple[int, int]] = {}
    for title, least, most in (("1 to 5", 1, 5), ("6 to 32", 6, 32), ("longer", 33, np.inf)):
        these = [event["outcome"] for event in events if least <= event["frames"] <= most]
        lengths[title] = len(these), these.count("found")
    return Counts(
        events=len(events),
        found=sum(event["outcome"] == "found" for event in events),
        met=sum(event["outcome"] == "open before" for event in events),
        lengths=lengths,
        delays_s=tuple(event["delay_s"] for event in events if event["delay_s"] is not None),
        alerts=sum(one["alerts"] for one in promises),
        weeks=sum(one["weeks"] for one in promises),
        promised=sum((one["promised_per_week"] or 0.0) * one["weeks"] for one in promises),
        normal=sum(one["frames"] for one in promises),
        above=sum((one["share"] or 0.0) * one["frames"] for one in promises),
        in_alarm=sum((one["in_alarm"] or 0.0) * one["frames"] for one in promises),
    )


def by_seed(results: Sequence[Run]) -> list[list[Run]]:
    """The runs of each seed."""
    of: dict[int, list[Run]] = defaultdict(list)
    for result in results:
        of[result["seed"]].append(result)
    return [of[seed] for seed in sorted(of)]


def per_seed(results: Sequence[Run], figure: Callable[[Counts], float | None]) -> tuple[float, ...]:
    """A figure of the counts of each seed that has it."""
    values = [figure(counts(runs)) for runs in by_seed(results)]
    return tuple(value for value in values if value is not None)


def strengths(results: Sequence[Run], kind: str) -> tuple[float, ...]:
    """Share of synthetic anomalies of a kind found at their largest size, mean over the bundles of each seed."""
    means = []
    for runs in by_seed(results):
        kinds = [((one.get("model") or {}).get("strength") or {}).get("kinds", {}).get(kind) for one in runs]
        found = [one["sizes"][-1]["found"] for one in kinds if one and one["sizes"]]
        means += [float(np.mean(found))] if found else []
    return tuple(means)
