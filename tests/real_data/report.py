"""Results as Markdown tables and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stream.terminal import duration
from tests.real_data.experiment import DISPOSITIONS, VERDICTS, Result

FOUND = (
    "data", "budget", "threshold", "incidents", "events found", "opened inside", "median delay",
    "false per series and day",
)  # fmt: skip
RANKED = ("data", "labelled", "AUC-ROC", "max abs z", "AUC-PR", "max abs z", "scored frames alone")
STREAMED = ("data", "history", "read", "train", "streamed", "end to end", "dispositions", "verdicts")
NOTES = """\
No threshold is tuned on the rows that are streamed; defaults but for the budget (alerts per series and week).
An event is found if an incident overlaps it or the W + M - 1 frames after it, up to the next event. Delay: event time
from its start to the first incident that opened inside. A false incident overlaps no event; days are series-days
outside events. AUC: frame by frame, causal, no point adjustment, mean over series, a frame without a score counts as 0;
"max abs z" is the largest |z| of any sensor by mean and deviation of the history, on the same frames; last column:
without frames that have no score, AUC-ROC and AUC-PR, each with max abs z. Alerts through the broker were those of
`narrows replay`."""


def facts(result: Result) -> dict[str, Any]:
    """Every figure as JSON."""
    found, streamed, trained = result.found, result.streamed, result.trained
    return {
        "case": result.case.name,
        "series": len(result.case.assets),
        "alerts_per_week": result.budget,
        "history_rows": trained["data"]["readings"],
        "history_rows_labelled": result.case.labelled_history,
        "rows_read_per_s": trained["rows_per_s"],
        "train_seconds": result.train_seconds,
        "peak_memory_mb": trained["peak_memory_mb"],
        "parts": trained["data"]["frames"],
        "threshold": trained["threshold"],
        "gate": trained["metrics"]["gate"],
        "messages": streamed.messages,
        "stream_seconds": streamed.seconds,
        "readings_per_s": streamed.messages / streamed.seconds,
        "dispositions": {name: result.counts[name] for name in DISPOSITIONS},
        "verdicts": {name: result.counts[name] for name in VERDICTS},
        "found": asdict(found)
        | {"false_per_series_and_day": found.false_per_day, "median_delay_s": found.median_delay_s},
        "ranking": asdict(result.ranked),
    }


def tables(results: Sequence[Result]) -> str:
    """Three tables (incidents beside labels, ranking of frames, messages streamed) and notes on their words."""
    firsts = [result for i, result in enumerate(results) if not i or results[i - 1].case is not result.case]
    return "\n\n".join(
        (
            _table(FOUND, [_found(result) for result in results]),
            _table(RANKED, [_ranked(result) for result in firsts]),
            _table(STREAMED, [_streamed(result) for result in results]),
            NOTES,
        )
    )


def _found(result: Result) -> list[str]:
    found, threshold = result.found, result.trained["threshold"]
    delay, per_day = found.median_delay_s, found.false_per_day
    return [
        result.case.name,
        f"{result.budget:g} a week",
        f"q = {threshold['q']:.3g}{', extrapolated' if threshold['extrapolated'] else ''}",
        str(found.incidents),
        f"{found.found} of {found.events}",
        str(found.opened_inside),
        "-" if delay is None else duration(delay),
        f"{'-' if per_day is None else f'{per_day:.2g}'} ({found.false} in {duration(found.normal_days * 86_400)})",
    ]


def _ranked(result: Result) -> list[str]:
    ours, floor = result.ranked.score, result.ranked.floor
    alone, floor_alone = result.ranked.score_scored, result.ranked.floor_scored
    return [
        result.case.name,
        f"{ours.labelled:.1%}",
        *(f"{value:.3f}" for value in (ours.auc_roc, floor.auc_roc, ours.auc_pr, floor.auc_pr)),
        f"{alone.auc_roc:.3f} ({floor_alone.auc_roc:.3f}), {alone.auc_pr:.3f} ({floor_alone.auc_pr:.3f})",
    ]


def _streamed(result: Result) -> list[str]:
    trained, streamed = result.trained, result.streamed
    return [
        f"{result.case.name}, {result.budget:g} a week",
        _history(result),
        f"{trained['rows_per_s']:,.0f} rows/s",
        f"{result.train_seconds:.0f} s",
        f"{streamed.messages:,} messages",
        f"{streamed.messages / streamed.seconds:,.0f} readings/s",
        _nonzero(result, DISPOSITIONS),
        _nonzero(result, VERDICTS),
    ]


def _history(result: Result) -> str:
    labelled = result.case.labelled_history
    rows = f"{result.trained['data']['readings']:,} rows"
    return f"{rows}, {labelled} labelled" if labelled else rows


def _nonzero(result: Result, names: Sequence[str]) -> str:
    return ", ".join(f"{result.counts[name]:,} {name}" for name in names if result.counts[name])


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
