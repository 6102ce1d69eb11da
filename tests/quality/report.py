"""Tables of a run: figures beside their bars and goals, each data set, each series."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.quality.bars import Row, rows
from tests.quality.cases import MACHINES
from tests.quality.figures import MARGIN, RANKINGS, Run, SeriesRanking, by_seed, counts, series_rankings
from tests.quality.moments import SIMPLE
from training.evaluate.summary import duration

HEADER = ("data", "figure", "ours, mean of seeds", "each seed", "best floor", "bar", "goal", "")
LABELLED = (*MACHINES, "skab", "nab")
SHORT = {"max abs z": "max z", "PCA": "PCA", "isolation forest": "forest"}
# Characters of the reason why a case is not trained.
SAID = 160
Cell = float | str | None


@dataclass(frozen=True)
class Line:
    """Figures of a data set, or of one series; means over seeds.

    Attributes:
        series: its name, or the number of them.
        ranking: areas, ours and of the simple detectors.
        events: events, alerts and time in alarm; empty for one series of many in a bundle.
    """

    data: str
    series: str
    ranking: Mapping[str, Cell]
    events: Mapping[str, Cell]


def facts(results: Sequence[Run]) -> dict[str, Any]:
    """Rows of bars, data sets and series as JSON."""
    bars = [
        asdict(row) | {"mean": row.mean, "bar": _text(row.bar), "goal": _text(row.goal), "verdict": row.verdict}
        for row in rows(results)
    ]
    sets, series = ([asdict(line) for line in lines] for lines in (_sets(results), _series(results)))
    return {"rows": bars, "sets": sets, "series": series}


def _text(bar: object) -> str | None:
    return None if bar is None else str(bar)


def bars(results: Sequence[Run], before: Sequence[Mapping[str, Any]] = ()) -> list[tuple[str, ...]]:
    """Cells of the main table, its heading first; `before` are the rows of an earlier run, as `facts` has them."""
    if not before:
        return [HEADER, *(_cells(row) for row in rows(results))]
    known = {(one["data"], one["figure"]): one["values"] for one in before}
    cells: list[tuple[str, ...]] = [(*HEADER, "before", "change")]
    for row in rows(results):
        then = known.get((row.data, row.figure))
        cells.append((*_cells(row), *(("", "") if then is None else (f"{np.mean(then):.3g}", row.change(then)))))
    return cells


def table(results: Sequence[Run], before: Sequence[Mapping[str, Any]] = ()) -> str:
    """All tables, in Markdown; `before` as in `bars`."""
    parts = [_markdown(bars(results, before))]
    for title, lines in (("data set", list(_sets(results))), ("series", list(_series(results)))):
        for what, of in (("ranking", "ranking"), ("events and alerts at our own threshold", "events")):
            shown = [
                {"data": line.data, "series": line.series} | getattr(line, of) for line in lines if getattr(line, of)
            ]
            if shown:
                cells = [tuple(shown[0]), *(tuple(map(_figure, one.values())) for one in shown)]
                parts += [f"By {title}, {what}:", _markdown(cells)]
    refused = {one["case"]: one["refused"][:SAID] for one in results if one.get("refused")}
    parts += [f"{case}: not trained, counts as nothing found: {why}" for case, why in refused.items()]
    return "\n\n".join(parts)


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells)
    head, *body = (f"| {' | '.join(row)} |" for row in padded)
    return "\n".join([head, f"|{'|'.join('-' * (width + 2) for width in widths)}|", *body])


def _figure(value: Cell) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "-" if value is None else str(value)


def _cells(row: Row) -> tuple[str, ...]:
    best = (min if row.low_is_good else max)(row.floors, key=row.floors.__getitem__, default=None)
    return (
        row.data,
        row.figure,
        f"{row.mean:.3g}",
        " ".join(f"{value:.3g}" for value in row.values),
        "" if best is None else f"{row.floors[best]:.3g} ({best})",
        "" if row.bar is None else str(row.bar),
        "" if row.goal is None else str(row.goal),
        row.verdict,
    )


def _sets(results: Sequence[Run]) -> Iterator[Line]:
    """Figures of each labelled set: areas are means over series."""
    for group in LABELLED:
        mine = [one for one in results if one["group"] == group]
        if mine:
            ranked = list(series_rankings(mine).values())
            good = f"{sum(one.good for one in ranked)} of {len(ranked)}"
            yield Line(group, str(len(ranked)), _areas(ranked) | {f"not {MARGIN:g} below": good}, _counted(mine))


def _series(results: Sequence[Run]) -> Iterator[Line]:
    """Each series: its areas, and the counts of its bundle where it has one of its own."""
    labelled = [one for one in results if one["group"] in LABELLED]
    for (group, name), one in series_rankings(labelled).items():
        seeds = f"{min(one.ours['vus_pr']):.3f} to {max(one.ours['vus_pr']):.3f}"
        ranking = _areas([one]) | {"VUS-PR of seeds": seeds, f"not {MARGIN:g} below": "yes" if one.good else "no"}
        own = [run for run in labelled if run["group"] == group in MACHINES and name in _names(run)]
        yield Line(group, name, ranking, _counted(own) | {"gate": _gate(own)} if own else {})


def _names(run: Run) -> list[str]:
    return list(run["budget"]["detectors"][0]["series"])


def _gate(runs: Sequence[Run]) -> str:
    """Verdicts of the gate, of all seeds."""
    verdicts = ["not trained" if one.get("refused") else one["model"]["gate"].get("verdict") for one in runs]
    return ", ".join(sorted({str(verdict) for verdict in verdicts}))


def _areas(ranked: Sequence[SeriesRanking]) -> dict[str, Cell]:
    """VUS-PR and AUC-PR, mean over these series, ours and of each simple detector."""
    of: dict[str, Cell] = {}
    for area in ("vus_pr", "auc_pr"):
        of[RANKINGS[area]] = float(np.mean([one.mean(area) for one in ranked]))
        for name in SIMPLE:
            floors = [one.floors[area][name] for one in ranked]
            of[f"{RANKINGS[area][:3]} {SHORT[name]}"] = float(np.mean(floors))
    return of


def _counted(results: Sequence[Run]) -> dict[str, Cell]:
    """Events and alerts of these runs; the delay is the median of all seeds."""
    runs = [counts(of) for of in by_seed(results)]
    delays = [delay for one in runs for delay in one.delays_s]
    of: dict[str, Cell] = {"events": str(runs[0].events), "found": _mean(one.found for one in runs)}
    of["met by older"] = _mean(one.met for one in runs)
    for name in runs[0].lengths:
        found = float(np.mean([one.lengths[name][1] for one in runs]))
        of[name] = f"{found:.3g} of {runs[0].lengths[name][0]}"
    of["delay"] = duration(float(np.median(delays))) if delays else None
    of["not true"] = _mean(one.alerts for one in runs)
    of["promised"] = _mean(one.promised for one in runs)
    of["a week"] = _mean(one.alerts / one.weeks for one in runs if one.weeks)
    of["times promise"] = _mean(times for one in runs if (times := one.times_promised) is not None)
    of["in alarm %"] = _mean(100 * one.in_alarm / one.normal for one in runs if one.normal)
    of["above %"] = _mean(100 * one.above / one.normal for one in runs if one.normal)
    return of


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None
