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
# A terminal of 80 columns has room for these headings, and for two decimals; JSON and page have the others.
DECIMALS = 2
NARROW = {
    "auc_roc": "AUC\nROC",
    "auc_pr": "AUC\nPR",
    "vus_pr": "VUS\nPR",
    "precision": "prec.",
    "false_per_day": "false\n/day",
}
# Wider headings would leave no room for the names of series.
MOST_WIDE = 68
# The terminal shows at most this many series; JSON and page show all of them.
MOST_SERIES = 40


def show(of: Evaluation) -> None:
    """Prints an evaluation on stdout."""
    print_report(sentences(of), tables(of))


def tables(of: Evaluation) -> Iterable[Table]:
    """The table of means, and the tables of series."""
    headings = tuple((TITLES | NARROW).values())
    yield framed_table(
        "mean over series; delay: median of all events",
        ("detector", *headings),
        [(one.name, *means(one, DECIMALS)) for one in of.figures],
        whole=True,
    )
    rows = [(name, *(text(key, one.figure(key), DECIMALS) for key in FIGURES)) for name, one in of.ours.series.items()]
    yield _by_series("ours, by series", headings, rows)
    unscored = [one for one in of.labelled.accounts if one.cause]
    if unscored:
        shown = [at for at in range(len(COUNTS)) if at < 2 or any(one.counts[at] for one in unscored)]
        rows = [(one.series, *(f"{one.counts[at]:,}" for at in shown)) for one in unscored]
        yield _by_series("series with frames that lack a score", tuple(COUNTS[at] for at in shown), rows)


def _by_series(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    """A row for each of the first series."""
    left = len(rows) - MOST_SERIES
    more = f"; {left} more with --json" if left > 0 else ""
    width = sum(max(map(len, heading.split("\n"))) + 3 for heading in headings)
    return framed_table(f"{title}{more}", ("series", *headings), rows[:MOST_SERIES], whole=width <= MOST_WIDE)


def means(of: Figures, decimals: int = 3) -> tuple[str, ...]:
    """Figures of a detector as text, in the order of `TITLES`: means over series; the delay is the median of all."""
    delay = None if of.events is None else of.events.median_delay_s
    return tuple(text(key, delay if key == "median_delay_s" else of.mean(key)[0], decimals) for key in FIGURES)


def text(figure: str, value: float | None, decimals: int = 3) -> str:
    """A figure as text."""
    if value is None:
        return NONE
    if figure == "median_delay_s":
        return duration(value)
    return f"{value:.2g}" if figure == "false_per_day" else f"{value:.{decimals}f}"
