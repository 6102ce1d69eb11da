"""Rows of the table: our figures beside floors on the same rows, and their bars."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Run = Mapping[str, Any]
FEW_WEEKS = 1.0


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


@dataclass(frozen=True)
class Row:
    """One figure of one group of cases.

    Attributes:
        values: for each seed, the mean over the cases of the group.
        floors: mean of each floor that has such a figure.
    """

    data: str
    figure: str
    values: tuple[float, ...]
    floors: Mapping[str, float]
    bar: Bar | None


def facts(results: Sequence[Run]) -> list[dict[str, Any]]:
    """The rows as JSON."""
    return [
        asdict(row) | {"mean": float(np.mean(row.values)), "bar": str(row.bar) if row.bar else None}
        for row in rows(results)
    ]


def rows(results: Sequence[Run]) -> Iterator[Row]:
    """Every row that these runs support."""
    of: dict[str, list[Run]] = defaultdict(list)
    for result in results:
        of[result["group"]].append(result)
    if "smd" in of:
        yield _ranking_row("SMD, 2 machines", "vus_pr", "VUS-PR", of["smd"], Bar(0.50))
        yield _ranking_row("SMD, 2 machines", "auc_pr", "AUC-PR", of["smd"], Bar(0.48))
        yield from _event_rows("SMD, 2 machines", of["smd"])
    if "skab" in of:
        yield _ranking_row("SKAB, 34 files", "auc_roc", "AUC-ROC", of["skab"], Bar(0.85))
        yield _ranking_row("SKAB, 34 files", "auc_pr", "AUC-PR", of["skab"], None)
        yield from _skab(of["skab"])
        yield from _event_rows("SKAB, 34 files", of["skab"])
    if "nab" in of:
        yield from _nab(of["nab"])
        yield from _event_rows("NAB, 19 files", of["nab"])
    if "normal" in of:
        yield from _promise(of["normal"])


def _per_seed(results: Sequence[Run], figure: Callable[[Run], float | None]) -> tuple[float, ...]:
    """Mean over the cases, for each seed."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for result in results:
        value = figure(result)
        if value is not None:
            by_seed[result["seed"]].append(value)
    return tuple(float(np.mean(values)) for _, values in sorted(by_seed.items()))


def _detectors(result: Run, promise: str = "budget") -> dict[str, Any]:
    return {one["name"]: one for one in result[promise]["detectors"]}


def _ours(result: Run, promise: str = "budget") -> dict[str, Any]:
    found: dict[str, Any] = result[promise]["detectors"][0]
    return found


def _ranking_row(data: str, name: str, title: str, results: Sequence[Run], bar: Bar | None) -> Row:
    def of(detector: str) -> Callable[[Run], float | None]:
        return lambda result: _detectors(result)[detector]["mean"][name]

    ours, *floors = _detectors(results[0])
    means = {floor: float(np.mean(_per_seed(results, of(floor)))) for floor in floors}
    return Row(data, title, _per_seed(results, of(ours)), means, bar)


def _event_rows(data: str, results: Sequence[Run]) -> Iterator[Row]:
    """Events and false incidents of all series together, at the thresholds of the bundles."""
    cases = len({result["case"] for result in results})

    def count(name: str) -> tuple[float, ...]:
        return tuple(cases * value for value in _per_seed(results, lambda result: _ours(result)["all"][name]))

    events = int(count("events")[0])
    yield Row(data, f"events found of {events}, budget 1 a week", count("found"), {}, None)
    yield Row(data, "false incidents, budget 1 a week", count("false"), {}, None)


def _skab(results: Sequence[Run]) -> Iterator[Row]:
    promises = {"budget": "budget 1 a week", "percentile": "percentile 99"}
    for promise, title in promises.items():
        for name, bar in {"f1": Bar(0.78), "far": Bar(most=14)}.items():
            figure = f"{name.upper()}, {title}, frames above"
            values = _per_seed(results, lambda result, p=promise, n=name: _ours(result, p)["skab"][n])  # type: ignore[misc]
            floors = {floor: one["skab"][name] for floor, one in _detectors(results[0], promise).items() if one["skab"]}
            floors.pop(_ours(results[0])["name"])
            yield Row("SKAB, 34 files", figure, values, floors, bar)
        for name in ("f1", "far"):
            figure = f"{name.upper()}, {title}, while an incident is open"
            values = _per_seed(results, lambda result, p=promise, n=name: result[p]["skab_while_open"][n])  # type: ignore[misc]
            yield Row("SKAB, 34 files", figure, values, {}, None)


def _nab(results: Sequence[Run]) -> Iterator[Row]:
    oracle = _per_seed(results, lambda result: result["budget"]["nab_openings_oracle"])
    yield Row("NAB, 19 files", "NAB standard, one oracle threshold, openings", oracle, {}, Bar(50))
    by_frame = _per_seed(results, lambda result: _ours(result)["nab"]["standard"]["oracle"]["normalised"])
    floors = {name: one["nab"]["standard"]["oracle"]["normalised"] for name, one in _detectors(results[0]).items()}
    floors.pop(_ours(results[0])["name"])
    yield Row("NAB, 19 files", "NAB standard, one oracle threshold, frames", by_frame, floors, None)
    for promise, title in {"budget": "budget 1 a week", "percentile": "percentile 99"}.items():
        values = _per_seed(
            results,
            lambda result, p=promise: _ours(result, p)["nab"]["standard"]["opened"]["normalised"],  # type: ignore[misc]
        )
        yield Row("NAB, 19 files", f"NAB standard, our threshold ({title})", values, {}, Bar(40))


def _promise(results: Sequence[Run]) -> Iterator[Row]:
    """Promise and result of each case; a mean over different kinds of normal data would hide both."""
    for case in dict.fromkeys(result["case"] for result in results):
        mine = [result for result in results if result["case"] == case]
        share = _per_seed(mine, lambda result: result["percentile"]["promise"]["share"] / 0.01)
        yield Row(case, "share of frames above / promised, percentile 99", share, {}, Bar(0.5, 2.0))
        weeks = float(np.mean([result["budget"]["promise"]["weeks"] for result in mine]))
        alerts = _per_seed(mine, lambda result: result["budget"]["promise"]["alerts"])
        few = "; too short to judge" if weeks < FEW_WEEKS else ""
        bar = None if few else Bar(most=2.0 * weeks)
        yield Row(case, f"alerts in {weeks:.2g} weeks, budget 1 a week{few}", alerts, {}, bar)


HEADER = ("data", "figure", "ours, mean of seeds", "each seed", "best floor", "bar", "")


def table(results: Sequence[Run]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(row))} |" for row in rows(results))])


def _cells(row: Row) -> list[str]:
    mean = float(np.mean(row.values))
    high_is_good = row.bar is None or row.bar.least is not None
    best = (max if high_is_good else min)(row.floors, key=row.floors.__getitem__, default=None)
    met = "" if row.bar is None else "met" if row.bar.met(mean) else "missed"
    return [
        row.data,
        row.figure,
        f"{mean:.3g}",
        " ".join(f"{value:.3g}" for value in row.values),
        "" if best is None else f"{row.floors[best]:.3g} ({best})",
        "" if row.bar is None else str(row.bar),
        met,
    ]
