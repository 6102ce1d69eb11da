"""The name of the one series of data without a column of series: configured, the bundle's only one, or the file's."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from stream.detect.frames.scale import POOLED, ScaleTable
from stream.intake.tables.files import files
from stream.intake.tables.reader import Layout

# Pieces of one asset may be handed over twice at their ends: this share of the shorter one.
_OVERLAP = 0.1


def of_only_series(layout: Layout, span: Mapping[str, tuple[int, int]], scales: ScaleTable) -> Layout:
    """The layout in which all rows are the only series of a bundle, where nothing else names theirs.

    Args:
        span: first and last time of each series of the data.
        scales: of the bundle.
    """
    known = [name for name in scales.names if name != POOLED]
    if len(known) != 1 or not _named_by_files(layout) or set(span) == set(known) or not _follow(span):
        return layout
    note = (
        f"no column names it, so all rows are {known[0]!r}, the only series of the bundle; "
        "`input.series_name: NAME` gives them another name"
    )
    return replace(layout, series_name=known[0], why={**layout.why, "series_name": note})


def with_note_on_names(layout: Layout, span: Mapping[str, tuple[int, int]]) -> Layout:
    """The layout with a word to people who train on series that are named by their files."""
    if not _named_by_files(layout) or not _follow(span):
        return layout
    if len(span) == 1:
        note = f"{next(iter(span))!r}, named by its file; `input.series_name: NAME` names it as its messages do"
        return replace(layout, why={**layout.why, "series_name": note})
    note = (
        f"{len(span):,} series, each named by its file, follow one another in time, as the files of one asset do; "
        "if they are one, set `input.series_name: NAME`"
    )
    return replace(layout, why={**layout.why, "pieces": note})


def _named_by_files(layout: Layout) -> bool:
    """True where the paths of files name the series: no column does, nor a setting, nor the files' metadata."""
    if layout.series is not None or layout.series_name is not None:
        return False
    return not any(file.table is not None and file.table.series for file in files(layout.path))


def _follow(span: Mapping[str, tuple[int, int]]) -> bool:
    """True where the series follow one another in time, or there is one."""
    runs = sorted(span.values())
    return all(
        earlier[1] - later[0] <= _OVERLAP * min(earlier[1] - earlier[0], later[1] - later[0])
        for earlier, later in pairwise(runs)
    )
