"""What a manifest says of how constrained its model is, as lines for people; `training.strength` measures it."""

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]
HEADINGS = ("anomaly", "share found, by size", "half from", "90 % from", "given back")
CELL = 11  # characters: the sizes of kinds stand in columns


def verdict(of: Facts) -> str:
    """The verdict with its reason."""
    return f"{of['verdict']}: {of['said']}"


def title(of: Facts) -> str:
    """What the rows are of."""
    return (
        f"{of['strips']} strips of {of['frames']} frames of the {of['part']} part, with synthetic anomalies; "
        f"{of['found_in_normal']:.0%} are above the threshold without"
    )


def rows(of: Facts) -> list[tuple[str, ...]]:
    """A row of `HEADINGS` for each kind of anomaly; what its largest size gives back. None where nothing was judged."""
    return [
        (
            f"{kind.replace('_', ' ')}, {one['unit']}",
            one["why_none"]
            or "".join(f"{step['size']:g}: {step['found']:.0%}".ljust(CELL) for step in one["sizes"]).rstrip(),
            _size(one["half_from"]),
            _size(one["nine_tenths_from"]),
            _given_back(one["sizes"]),
        )
        for kind, one in of["kinds"].items()
    ]


def _size(least: float | None) -> str:
    return "-" if least is None else f"{least:g}"


def _given_back(sizes: list[Facts]) -> str:
    return "-" if not sizes or sizes[-1]["given_back"] is None else f"{sizes[-1]['given_back']:.0%}"
