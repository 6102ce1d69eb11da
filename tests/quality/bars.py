"""The bars: each figure beside what must be reached and what is wanted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.quality.cases import MACHINES
from tests.quality.figures import MARGIN, RANKINGS, Counts, Run, by_seed, counts, per_seed, series_rankings, strengths
from tests.quality.moments import SIMPLE

FEW_WEEKS = 1.0
# A smaller change of any figure is none.
LEAST_CHANGE = 1e-3
# With fewer promised alerts, a single one would decide.
FEW_PROMISED = 0.5
NAMES = {"skab": "SKAB, 34 files", "nab": "NAB, 19 files"}
PROMISES = {"budget": "budget 1 a week", "percentile": "percentile 99"}


@dataclass(frozen=True)
class Bar:
    """A figure to reach: at least `least`, at most `most`."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}"
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


# (bar, goal) of VUS-PR and of events found, by set.
VOLUMES = {"smd": (0.53, 0.57), "smd7": (0.52, 0.62), "asd": (0.60, 0.70), "msl": (0.35, 0.45), "smap": (0.19, 0.30)}
FOUND = {"smd": (10, 14), "smd7": (55, 80), "asd": (11, 14), "msl": (5, 7), "smap": (8, 10)}
AUC_PR = {"smd": (0.48, 0.53)}
AUC_ROC = {"skab": (0.85, 0.90)}
SHAPES = ("freeze", "phase_shift", "swap", "broken_correlation")


@dataclass(frozen=True)
class Row:
    """One figure of one data set.

    Attributes:
        values: of each seed.
        floors: mean of each simple detector that has such a figure.
    """

    data: str
    figure: str
    values: tuple[float, ...]
    floors: Mapping[str, float]
    bar: Bar | None
    goal: Bar | None = None

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def low_is_good(self) -> bool:
        """The figure is a cost."""
        return self.bar is not None and self.bar.least is None

    def change(self, before: Sequence[float]) -> str:
        """The mean less an earlier one; `!` where that is a loss beyond what seeds differ by."""
        change = self.mean - float(np.mean(before))
        chance = max(float(np.ptp(self.values)), float(np.ptp(before)), LEAST_CHANGE)
        loss = change if self.low_is_good else -change
        return f"{change:+.3g}{' !' if self.bar is not None and loss > chance else ''}"

    @property
    def verdict(self) -> str:
        """The goal is reached, the bar is met or missed; "" without a bar."""
        if self.bar is None:
            return ""
        if self.goal is not None and self.goal.met(self.mean):
            return "goal"
        return "met" if self.bar.met(self.mean) else "MISSED"


def rows(results: Sequence[Run]) -> Iterator[Row]:
    """Every row that these runs support."""
    of = {group: [one for one in results if one["group"] == group] for group in (*MACHINES, "skab", "nab", "normal")}
    of = {group: mine for group, mine in of.items() if mine}
    for group in (*MACHINES, "skab", "nab"):
        if group in of:
            yield from _rankings(group, of[group])
            yield from _counts(group, of[group])
    if "skab" in of:
        yield from _skab(of["skab"])
    if "nab" in of:
        yield from _nab(of["nab"])
    machines = [one for group in MACHINES for one in of.get(group, ())]
    if machines:
        # Other sets make another figure, which must not be compared with that of all.
        known = [group for group in MACHINES if group in of]
        yield from _together("single machines" if len(known) == len(MACHINES) else ", ".join(known), machines)
    everything = [one for group, mine in of.items() if group != "normal" for one in mine]
    if len(everything) > len(machines) > 0:
        yield _share_good("all series", everything)
    if "normal" in of:
        yield from _promise(of["normal"])


def _least(of: tuple[float, float] | None) -> tuple[Bar | None, Bar | None]:
    return (None, None) if of is None else (Bar(of[0]), Bar(of[1]))


def _rankings(group: str, results: Sequence[Run]) -> Iterator[Row]:
    """Areas, mean over series; VUS-PR and AUC-PR must be above those of the best simple detector."""
    ranked, data = list(series_rankings(results).values()), NAMES.get(group, group)
    for area, bars in (("vus_pr", VOLUMES), ("auc_pr", AUC_PR), ("auc_roc", AUC_ROC)):
        values = tuple(np.mean([one.ours[area] for one in ranked], axis=0).tolist())
        floors = {floor: float(np.mean([one.floors[area][floor] for one in ranked])) for floor in SIMPLE}
        if group in bars:
            yield Row(data, RANKINGS[area], values, floors, *_least(bars[group]))
        if area != "auc_roc":
            best = max(floors.values())
            yield Row(data, f"{RANKINGS[area]} less that of the best floor", _less(values, best), {}, Bar(0.0))


def _less(values: Sequence[float], floor: float) -> tuple[float, ...]:
    return tuple(value - floor for value in values)


def _counts(group: str, results: Sequence[Run]) -> Iterator[Row]:
    """Events and alerts at our own threshold, and the time in alarm."""
    data = NAMES.get(group, group)

    def row(figure: str, of: Callable[[Counts], float | None], bar: Bar | None, goal: Bar | None) -> Iterator[Row]:
        if values := per_seed(results, of):
            yield Row(data, figure, values, {}, bar, goal)

    events = counts(by_seed(results)[0]).events
    yield from row(f"events found of {events}", lambda one: one.found, *_least(FOUND.get(group)))
    promised = "alerts that are not true, times the promise"
    if counts(by_seed(results)[0]).promised < FEW_PROMISED:
        yield from row(f"{promised}; too short to judge", lambda one: one.times_promised, None, None)
    else:
        yield from row(promised, lambda one: one.times_promised, Bar(most=2.0), Bar(most=1.2))
    weekly = "alerts that are not true, a series and week"
    yield from row(weekly, lambda one: one.alerts / one.weeks if one.weeks else None, None, None)
    in_alarm = "normal rows during an open alert, %"
    yield from row(in_alarm, lambda one: _percent(one.in_alarm, one.normal), Bar(most=5.0), Bar(most=2.0))
    yield from row("normal rows above the threshold, %", lambda one: _percent(one.above, one.normal), None, None)


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _together(data: str, results: Sequence[Run]) -> Iterator[Row]:
    """Figures of single machines together."""
    yield _share_good(data, results)
    met = per_seed(results, lambda one: _percent(one.met, one.events))
    yield Row(data, "events that only an older alert met, %", met, {}, Bar(most=5.0), Bar(most=2.0))
    for name, bars in {"1 to 5": (25.0, 50.0), "6 to 32": None, "longer": None}.items():
        values = per_seed(results, lambda one, n=name: _percent(one.lengths[n][1], one.lengths[n][0]))  # type: ignore[misc]
        if values:
            of = counts(by_seed(results)[0]).lengths[name][0]
            yield Row(data, f"events of {name} frames found, % of {of}", values, {}, *_least(bars))
    for kind in SHAPES:
        if values := tuple(100 * value for value in strengths(results, kind)):
            figure = f"{kind.replace('_', ' ')} found at its largest size, %"
            yield Row(data, figure, values, {}, Bar(50.0), Bar(80.0))


def _share_good(data: str, results: Sequence[Run]) -> Row:
    ranked = list(series_rankings(results).values())
    share = 100.0 * sum(one.good for one in ranked) / len(ranked)
    figure = f"of {len(ranked)} series, not more than {MARGIN:g} below their best floor, %"
    return Row(data, figure, (share,), {}, Bar(80.0), Bar(90.0))


def _mean(results: Sequence[Run], figure: Callable[[Run], float | None]) -> tuple[float, ...]:
    """Mean over the cases that have it, for each seed."""
    means = [[value for one in runs if (value := figure(one)) is not None] for runs in by_seed(results)]
    return tuple(float(np.mean(values)) for values in means if values)


def _ours(result: Run, promise: str = "budget") -> dict[str, Any]:
    found: dict[str, Any] = result[promise]["detectors"][0]
    return found


def _floors(results: Sequence[Run], figure: Callable[[Any], float | None]) -> dict[str, float]:
    """A figure of each simple detector that has it, of the run that measured them."""
    others = [one for result in results for one in result["budget"]["detectors"] if one["name"] in SIMPLE]
    return {one["name"]: value for one in others if (value := figure(one)) is not None}


def _skab(results: Sequence[Run]) -> Iterator[Row]:
    data = NAMES["skab"]
    for promise, title in PROMISES.items():
        for name, (bar, goal) in {"f1": _least((0.78, 0.85)), "far": (Bar(most=14), Bar(most=10))}.items():
            values = _mean(results, lambda one, p=promise, n=name: _ours(one, p)["skab"][n])  # type: ignore[misc]
            floors = _floors(results, lambda one, n=name: one["skab"] and one["skab"][n]) if promise == "budget" else {}  # type: ignore[misc]
            yield Row(data, f"{name.upper()}, {title}, frames above", values, floors, bar, goal)
        for name in ("f1", "far"):
            values = _mean(results, lambda one, p=promise, n=name: one[p]["skab_while_open"][n])  # type: ignore[misc]
            yield Row(data, f"{name.upper()}, {title}, while an incident is open", values, {}, None)


def _nab(results: Sequence[Run]) -> Iterator[Row]:
    data = NAMES["nab"]

    def normalised(one: Any) -> float:
        score: float = one["nab"]["standard"]["oracle"]["normalised"]
        return score

    for promise, title in PROMISES.items():
        values = _mean(results, lambda one, p=promise: _ours(one, p)["nab"]["standard"]["opened"]["normalised"])  # type: ignore[misc]
        yield Row(data, f"NAB standard, our threshold ({title}), openings", values, {}, *_least((50.0, 65.0)))
    oracle = _mean(results, lambda one: one["budget"]["nab_openings_oracle"])
    yield Row(data, "NAB standard, one oracle threshold, openings", oracle, {}, None)
    by_frame = _mean(results, lambda one: normalised(_ours(one)))
    yield Row(data, "NAB standard, one oracle threshold, frames", by_frame, _floors(results, normalised), None)


def _promise(results: Sequence[Run]) -> Iterator[Row]:
    """Promise and result of each case; a mean over different kinds of normal data would hide both."""
    for case in dict.fromkeys(result["case"] for result in results):
        mine = [result for result in results if result["case"] == case and not result.get("refused")]
        if not mine:
            continue
        share = _mean(mine, lambda result: result["percentile"]["promise"]["share"] / 0.01)
        yield Row(case, "share of frames above / promised, percentile 99", share, {}, Bar(0.5, 2.0))
        weeks = float(np.mean([result["budget"]["promise"]["weeks"] for result in mine]))
        promised = float(np.mean([result["budget"]["promise"]["promised_per_week"] for result in mine]))
        alerts = _mean(mine, lambda result: result["budget"]["promise"]["alerts"])
        few = "; too short to judge" if weeks < FEW_WEEKS else ""
        bar = None if few else Bar(most=2.0 * weeks * promised)
        yield Row(case, f"alerts in {weeks:.2g} weeks, budget 1 a week{few}", alerts, {}, bar)
