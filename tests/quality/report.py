"""Tables of a run: figures beside their bars and goals, each data set, each series."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tests.quality.bars import Row, rows
from tests.quality.cases import MACHINES
from tests.quality.figures import RANKINGS, Run, by_seed, counts, series_rankings
from tests.quality.moments import SIMPLE
from training.evaluate.summary import duration

HEADER = ("data", "figure", "ours, mean of seeds", "each seed", "best floor", "bar", "goal", "")
# Characters of the reason why a case is not trained.
SAID = 160
LABELLED = (*MACHINES, "skab", "nab")
SHORT = {"max abs z": "max z", "PCA": "PCA", "isolation forest": "forest"}


def facts(results: Sequence[Run]) -> dict[str, Any]:
    """Rows of bars, data sets and series as JSON."""
    bars = [
        asdict(row) | {"mean": row.mean, "bar": _text(row.bar), "goal": _text(row.goal), "verdict": row.verdict}
        for row in rows(results)
    ]
    return {"rows": bars, "sets": list(_sets(results)), "series": list(_series(results))}


def _text(bar: object) -> str | None:
    return None if bar is None else str(bar)


def bars(results: Sequence[Run]) -> list[tuple[str, ...]]:
    """Cells of the main table, its heading first."""
    return [HEADER, *(_cells(row) for row in rows(results))]


def table(results: Sequence[Run]) -> str:
    """All tables, in Markdown."""
    refused = {
        f"{one['case']}: not trained, counts as nothing found: {one['refused'][:SAID]}" for one in _refused(results)
    }
    parts = [_markdown(bars(results))]
    for title, of in (("By data set", list(_sets(results))), ("By series, VUS-PR first", list(_series(results)))):
        if of:
            parts += [f"{title}:", _markdown([tuple(of[0]), *(tuple(map(_figure, one.values())) for one in of)])]
    return "\n\n".join([*parts, *sorted(refused)])


def _refused(results: Sequence[Run]) -> list[Run]:
    return [one for one in results if one.get("refused")]


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in cells)
    return "\n".join([head, "|" + "---|" * len(cells[0]), *body])


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "-" if value is None else str(value)


def _cells(row: Row) -> tuple[str, ...]:
    high_is_good = row.bar is None or row.bar.least is not None
    best = (max if high_is_good else min)(row.floors, key=row.floors.__getitem__, default=None)
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


def _sets(results: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """Figures of each labelled set: areas are means over series and seeds, counts means over seeds."""
    for group in LABELLED:
        mine = [one for one in results if one["group"] == group]
        if not mine:
            continue
        ranked = list(series_rankings(mine).values())
        row: dict[str, Any] = {"data": group, "series": len(ranked)}
        for area, title in list(RANKINGS.items())[:2]:
            row[title] = float(np.mean([one.mean(area) for one in ranked]))
            for floor in SIMPLE:
                row[f"{title} {SHORT[floor]}"] = float(np.mean([one.floors[area][floor] for one in ranked]))
        row["not below floor"] = f"{sum(one.good for one in ranked)} of {len(ranked)}"
        yield row | _counted(mine)


def _counted(results: Sequence[Run]) -> dict[str, Any]:
    """Events and alerts of these runs, as means over seeds."""
    runs = [counts(of) for of in by_seed(results)]
    delays = [delay for one in runs for delay in one.delays_s]
    row: dict[str, Any] = {"events": runs[0].events, "found": _mean(one.found for one in runs)}
    row["met by open alert"] = _mean(one.met for one in runs)
    for name in runs[0].lengths:
        found = float(np.mean([one.lengths[name][1] for one in runs]))
        row[name] = f"{found:.3g} of {runs[0].lengths[name][0]}"
    row["delay"] = duration(float(np.median(delays))) if delays else None
    row["not true"] = _mean(one.alerts for one in runs)
    row["promised"] = _mean(one.promised for one in runs)
    row["a week"] = _mean(one.alerts / one.weeks for one in runs if one.weeks)
    row["times promise"] = _mean(of for one in runs if (of := one.times_promised) is not None)
    row["in alarm %"] = _mean(100 * one.in_alarm / one.normal for one in runs if one.normal)
    row["above %"] = _mean(100 * one.above / one.normal for one in runs if one.normal)
    return row


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return float(np.mean(known)) if known else None


def _series(results: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """Each series: its areas, and the counts of its bundle where it has one of its own."""
    labelled = [one for one in results if one["group"] in LABELLED]
    for (group, name), one in series_rankings(labelled).items():
        row: dict[str, Any] = {"data": group, "series": name}
        row["ours"] = one.mean("vus_pr")
        row["seeds"] = f"{min(one.ours['vus_pr']):.3f} to {max(one.ours['vus_pr']):.3f}"
        row |= {SHORT[floor]: one.floors["vus_pr"][floor] for floor in SIMPLE}
        row["good"] = "yes" if one.good else "no"
        row["AUC-PR"], row["best floor"] = one.mean("auc_pr"), one.best("auc_pr")
        own = [run for run in results if run["group"] == group in MACHINES and name in _names(run)]
        row |= dict.fromkeys(("events", "found", "met", "not true", "promised", "in alarm %", "above %", "gate"))
        yield row | (_own(own) if own else {})


def _names(run: Run) -> list[str]:
    return list(run["budget"]["detectors"][0]["series"])


def _own(runs: Sequence[Run]) -> dict[str, Any]:
    of = _counted(runs)
    gates = {"not trained" if one.get("refused") else one["model"].get("gate", {}).get("verdict", "-") for one in runs}
    kept = {name: of[name] for name in ("events", "found", "not true", "promised", "in alarm %", "above %")}
    return kept | {"met": of["met by open alert"], "gate": ", ".join(sorted(map(str, gates)))}
