"""An evaluation as text on a terminal: the summary, the figures of all detectors, each series."""

from collections.abc import Iterable

from rich.table import Table

from stream.events.account import COUNTS
from stream.terminal import framed_table
from stream.terminal import show as print_report
from training.evaluate.evaluation import Evaluation
from training.evaluate.figures import FIGURES, Figures
from training.evaluate.summary import duration, sentences

NONE = "-"
TITLES = {
    "auc_roc": "AUC-ROC",
    "auc_pr": "AUC-PR",
    "vus_pr": "VUS-PR",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "median_delay_s": "delay",
    "false_per_day": "false/day",
}
# The terminal shows at most this many series; JSON and page show all of them.
MOST_SERIES = 40


def show(of: Evaluation) -> None:
    """Prints an evaluation on stdout."""
    print_report(sentences(of), tables(of))


def tables(of: Evaluation) -> Iterable[Table]:
    """The table of means, and the table of series."""
    yield framed_table(
        "mean over series; delay: median of all events",
        ("detector", *TITLES.values()),
        [(one.name, *means(one)) for one in of.figures],
    )
    rows = [(name, *(text(key, one.figure(key)) for key in FIGURES)) for name, one in of.ours.series.items()]
    yield _by_series("ours, by series", tuple(TITLES.values()), rows)
    unscored = [(one.series, *(f"{count:,}" for count in one.counts)) for one in of.labelled.accounts if one.cause]
    if unscored:
        yield _by_series("series with frames that lack a score", COUNTS, unscored)


def _by_series(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """A row for each of the first series."""
    left = len(rows) - MOST_SERIES
    more = f"; {left} more with --json" if left > 0 else ""
    return framed_table(f"{title}{more}", ("series", *headings), rows[:MOST_SERIES])


def means(of: Figures) -> tuple[str, ...]:
    """Figures of a detector as text, in the order of `TITLES`: means over series; the delay is the median of all."""
    delay = None if of.events is None else of.events.median_delay_s
    return tuple(text(key, delay if key == "median_delay_s" else of.mean(key)[0]) for key in FIGURES)


def text(figure: str, value: float | None) -> str:
    """A figure as text."""
    if figure == "median_delay_s":
        return NONE if value is None else duration(value)
    return _number(value, ".2g" if figure == "false_per_day" else ".3f")


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
