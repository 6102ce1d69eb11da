"""The bundles of a registry, for people at a terminal: the facts of `model_facts` as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stream.cli.reports.model_facts import flattened
from stream.settings.quantities import format_duration, format_instant
from stream.strength import HEADINGS, rows, title, verdict
from stream.terminal import console, plain_table

Facts = Mapping[str, Any]
# A difference lists at most this many series, those whose thresholds moved furthest.
MOVED_SHOWN = 10
LONGEST_LIST = 12
# A section of the metrics that has a table of its own.
STRENGTH = "strength"


def show_list(rows: Iterable[Facts]) -> None:
    """Prints a line for each version."""
    headings = ("version", "aliases", "created", "model", "threshold", "gate", "amended from")
    _print(headings, map(_cells, rows))


def show_page(page: Facts) -> None:
    """Prints one bundle, a table for each section."""
    _print_bold(", ".join([f"{page['version']} of {page['detector']}", *page["aliases"]]))
    plain = {name: value for name, value in page.items() if not isinstance(value, Mapping)}
    shown = {
        name: plain[name]
        for name in ("place", "created_at", "calibrated_at", "parent", "sensors")
        if plain[name] is not None
    }
    _print((), _lines(shown))
    for name, section in page.items():
        if isinstance(section, Mapping) and section:
            _print_bold(f"\n{name}")
            plain_section = {key: value for key, value in section.items() if key != STRENGTH}
            _print((), _files(section) if name == "files" else _lines(flattened(plain_section)))
    if STRENGTH in page["metrics"]:
        _show_strength(page["metrics"][STRENGTH])


def show_difference(difference: Facts) -> None:
    """Prints the facts that differ, then the thresholds that moved."""
    weights = "the same weights" if difference["same_weights"] else "other weights"
    _print_bold(f"{difference['from']} -> {difference['to']}: {weights}")
    changes = difference["changes"]
    cells = ([name, _value(name, change["from"]), _value(name, change["to"])] for name, change in changes.items())
    _print(("differs", difference["from"], difference["to"]), cells)
    _show_thresholds(difference["thresholds"])


def show_move(moved: Facts) -> None:
    """Prints in one line how an alias was moved."""
    if moved["moved"]:
        print(f"{moved['alias']}: {moved['from'] or 'not set'} -> {moved['to']}")
    else:
        print(f"{moved['alias']}: {moved['to']} already; nothing was moved")


def show_history(moves: Iterable[Facts]) -> None:
    """Prints a line for each move of an alias."""
    names = ("time", "action", "alias", "from", "to", "reason")
    _print(names, ([move[name] or "" for name in names] for move in moves))


def _show_strength(tried: Facts) -> None:
    _print_bold("\nstrength")
    print(verdict(tried))
    if tried["kinds"]:
        print(title(tried))
        _print(HEADINGS, rows(tried))


def _show_thresholds(thresholds: Facts) -> None:
    rows = thresholds["series"]
    if thresholds["only_from"] or thresholds["only_to"]:
        print(f"series: {len(thresholds['only_from'])} are gone, {len(thresholds['only_to'])} are new")
    moved = [row for row in rows if row["factor"] != 1.0]
    # The pooled threshold has no name here: it holds for series that were not in training.
    all_named, named = (sum(row["series"] != "" for row in some) for some in (rows, moved))
    if not moved:
        print(f"thresholds of {all_named} series: all the same")
        return
    median = thresholds["median_factor"]
    print(f"thresholds: {named} of {all_named} series moved, median x{median:.3g}; furthest:")
    cells = (
        [row["series"] or "(unknown series)", f"{row['from']:.4g}", f"{row['to']:.4g}", f"x{row['factor']:.3g}"]
        for row in moved[:MOVED_SHOWN]
    )
    _print(("series", "from", "to", "factor"), cells)


def _cells(row: Facts) -> list[str]:
    first = [row["version"], ", ".join(row["aliases"])]
    if row["fault"] is not None:
        return [*first, "unreadable", "", row["fault"], "", ""]
    return [
        *first,
        row["created_at"],
        row["model"],
        _threshold(row["threshold"]),
        row["gate"] or "",
        row["parent"] or "",
    ]


def _threshold(threshold: Facts) -> str:
    q = f"q = {threshold['q']:.4g}"
    if "promised" not in threshold:
        return q
    promised = f"{threshold['promised']:g}"
    promise = f"{promised} a week" if threshold["method"] == "budget" else f"percentile {promised}"
    return f"{promise}: {q}{', extrapolated' if threshold['extrapolated'] else ''}"


def _lines(facts: Facts) -> Iterable[list[str]]:
    return ([name.removesuffix("_ns"), _value(name, value)] for name, value in facts.items())


def _files(files: Facts) -> Iterable[list[str]]:
    return ([name, f"{file['bytes']:,} bytes", f"sha256 {file['sha256']}"] for name, file in files.items())


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


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = plain_table(headings, rows)
    if table.row_count:
        console().print(table)


def _print_bold(line: str) -> None:
    console().print(line, style="bold")
