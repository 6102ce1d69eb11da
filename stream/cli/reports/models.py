"""The bundles of a registry, for people at a terminal: the facts of `model_facts` as tables."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stream.cli.reports.model_facts import (
    AliasOutcome,
    ModelDifference,
    ModelPage,
    ModelRow,
    ThresholdMoves,
    flattened,
    plain,
)
from stream.messages import figure, tell
from stream.registry.alias_history import AliasChange
from stream.registry.capacity_facts import HEADINGS, CapacityFacts
from stream.registry.manifest_facts import MetricFacts, ThresholdFacts
from stream.settings.quantities import format_duration, format_instant
from stream.terminal import console, plain_table
from training.fitting.discriminator import UNDECIDED_LOSS
from training.fitting.posterior import COLLAPSED, active_dimensions

# A difference lists at most this many series, those whose thresholds moved furthest.
MOVED_SHOWN = 10
LONGEST_LIST = 12
OWN_TABLE = ("vetting", "gate.criteria")


def show_list(rows: Iterable[ModelRow]) -> None:
    """Prints a line for each version."""
    headings = ("version", "aliases", "created", "model", "threshold", "gate", "amended from")
    _print(headings, map(_cells, rows))


def show_page(page: ModelPage) -> None:
    """Prints one bundle, a table for each section."""
    _print_bold(", ".join([f"{page.version} of {page.detector}", *page.aliases]))
    # Capacity, criteria and findings have tables of their own.
    metrics, gate, capacity = page.metrics, page.metrics.gate, page.metrics.capacity
    sections = plain(msgspec.structs.replace(page, metrics=msgspec.structs.replace(metrics, capacity=None)))
    names = ("place", "created_at", "calibrated_at", "parent", "sensors")
    _print((), _lines({name: sections[name] for name in names if sections[name] is not None}))
    for name, section in sections.items():
        if isinstance(section, Mapping) and section:
            _print_bold(f"\n{name}")
            flat = {key: value for key, value in flattened(section).items() if key not in OWN_TABLE}
            _print((), _files(page) if name == "files" else _lines(flat))
    _titled("vetting", (), ([finding] for finding in page.data.vetting or ()))
    _titled("gate", (), ([one.name, one.verdict, one.reason] for one in gate.criteria))
    _titled("explained", (), _explained(metrics))
    if capacity is not None:
        _show_capacity(capacity)


def show_difference(difference: ModelDifference) -> None:
    """Prints the facts that differ, then the thresholds that moved."""
    weights = "the same weights" if difference.same_weights else "other weights"
    _print_bold(f"{difference.before} -> {difference.after}: {weights}")
    changes = difference.changes.items()
    cells = ([name, _value(name, change.before), _value(name, change.after)] for name, change in changes)
    _print(("differs", difference.before, difference.after), cells)
    _show_thresholds(difference.thresholds)


def show_outcome(outcome: AliasOutcome) -> None:
    """Prints in one line how an alias was moved."""
    if outcome.moved:
        tell(f"{outcome.alias}: {outcome.before or 'not set'} -> {outcome.after}")
    else:
        tell(f"{outcome.alias}: {outcome.after} already; nothing was moved")


def show_history(moves: Iterable[AliasChange]) -> None:
    """Prints a line for each move of an alias."""
    names = ("time", "action", "alias", "from", "to", "reason")
    _print(names, ([m.time, m.action, m.alias, m.before or "", m.after, m.reason] for m in moves))


def _show_capacity(capacity: CapacityFacts) -> None:
    _print_bold("\nstrength")
    tell(capacity.summary)
    if capacity.kinds:
        tell(capacity.title)
        _print(HEADINGS, capacity.rows)


def _show_thresholds(thresholds: ThresholdMoves) -> None:
    rows = thresholds.series
    if thresholds.only_from or thresholds.only_to:
        tell(f"series: {len(thresholds.only_from)} are gone, {len(thresholds.only_to)} are new")
    moved = [row for row in rows if row.factor != 1.0]
    # The pooled threshold has no name here: it holds for series that were not in training.
    all_named, named = (sum(row.series != "" for row in some) for some in (rows, moved))
    if not moved:
        tell(f"thresholds of {all_named} series: all the same")
        return
    median = thresholds.median_factor
    tell(f"thresholds: {named} of {all_named} series moved, median x{median:.3g}; furthest:")
    cells = (
        [row.series or "(unknown series)", f"{row.before:.4g}", f"{row.after:.4g}", f"x{row.factor:.3g}"]
        for row in moved[:MOVED_SHOWN]
    )
    _print(("series", "from", "to", "factor"), cells)


def _cells(row: ModelRow) -> list[str]:
    first = [row.version, ", ".join(row.aliases)]
    if row.fault is not None or not row.threshold:
        return [*first, "unreadable", "", row.fault or "", "", ""]
    return [*first, row.created_at or "", row.model or "", _threshold(row.threshold), row.gate or "", row.parent or ""]


def _threshold(threshold: ThresholdFacts) -> str:
    q = f"q = {threshold.q:.4g}"
    if threshold.kept is None:
        return q
    kept = f"{figure(threshold.kept)} a week" if threshold.method == "budget" else f"percentile {threshold.kept:.6g}"
    return f"{kept}: {q}{', extrapolated' if threshold.extrapolated and threshold.kept == threshold.promised else ''}"


def _lines(facts: Mapping[str, object]) -> Iterable[list[str]]:
    return ([name.removesuffix("_ns"), _value(name, value)] for name, value in facts.items())


def _files(page: ModelPage) -> Iterable[list[str]]:
    return ([name, f"{file.bytes:,} bytes", f"sha256 {file.sha256}"] for name, file in page.files.items())


def _value(name: str, value: object) -> str:
    """Writes a fact for people; its name says whether a number is a duration or an instant."""
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, list):
        shown = [_value(name, one) for one in value[:LONGEST_LIST]]
        return ", ".join(shown) + (f", ... ({len(value)} in all)" if len(value) > LONGEST_LIST else "")
    if isinstance(value, Mapping):
        return " ".join(f"{key.removesuffix('_ns')} {_value(key, one)}" for key, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_ns"):
        return format_instant(value) if name in ("start_ns", "end_ns") else format_duration(value)
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _explained(metrics: MetricFacts) -> Iterable[list[str]]:
    """Says what the figures of a variational model and of discriminators mean."""
    for nats in metrics.code_kl or ():
        known = tuple(value for value in nats if value is not None)
        dead = len(known) - active_dimensions(known)
        yield [
            "code",
            f"{dead} of {len(known)} collapsed (below {COLLAPSED:g}), dimensions of a member",
        ]
    if metrics.discriminator_loss:
        yield ["discriminator", f"a held-out loss of {UNDECIDED_LOSS:.4g} knows nothing"]


def _titled(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    listed = list(rows)
    if listed:
        _print_bold(f"\n{title}")
        _print(headings, listed)


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = plain_table(headings, rows)
    if table.row_count:
        console().print(table)


def _print_bold(line: str) -> None:
    console().print(line, style="bold")
