"""Facts about the capacity of a model, by synthetic anomalies, and the table of them."""

from typing import Literal

import msgspec

CapacityVerdict = Literal["fine", "too strong", "too weak", "blind", "not judged"]

HEADINGS = ("anomaly", "share found, by size", "half from", "90 % from", "given back")
CELL_WIDTH = 11  # characters: sizes of all kinds stand in columns


class InjectedSize(msgspec.Struct, frozen=True):
    """Synthetic anomalies of one kind and size.

    Attributes:
        n: segments that can have such an anomaly.
        found: share of them whose level exceeds the threshold.
        given_back: share of the deviation that the model reconstructs, from 0 to 1. None where the deviation lies in
            no cell that the error is computed from.
    """

    size: float
    n: int
    found: float
    given_back: float | None


class InjectedKind(msgspec.Struct, frozen=True):
    """Synthetic anomalies of one kind.

    Attributes:
        unit: of the sizes.
        half_from, nine_tenths_from: the smallest size from which on this share is found; None: at no size.
        why_none: why no segment can have such an anomaly, else None.
    """

    unit: str
    sizes: tuple[InjectedSize, ...]
    half_from: float | None
    nine_tenths_from: float | None
    why_none: str | None


class BesideFacts(msgspec.Struct, frozen=True):
    """Shares of all synthetic anomalies that the model and simple detectors find, with the same share of normal above.

    Attributes:
        found: by the model.
        simple: by each simple detector.
        above: share of the normal segments above each threshold.
        more: interval of 98 % of how much more the best simple detector finds.
    """

    found: float
    simple: dict[str, float]
    above: float
    more: tuple[float, float]

    @property
    def said(self) -> str:
        """The shares in words."""
        best = max(self.simple, key=self.simple.__getitem__)
        return (
            f"finds {self.found:.0%} of synthetic anomalies of all sizes where {best} finds {self.simple[best]:.0%}, "
            f"each with {self.above:.0%} of normal strips above"
        )


class CapacityFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"reason": "said", "segments": "strips"}):
    """Capacity of a model, by synthetic anomalies in held-out segments. Null where it was not judged.

    Attributes:
        part: the part of the history that the segments are from.
        frames: frames of a segment.
        freedom, most_freedom: degrees of freedom per value of a window, and the limit.
        explained: share of normal variation that the model explains.
        found_in_normal: share of the segments above the threshold without an anomaly.
        most_found: largest share found, of all kinds and sizes, and of level shifts in a quarter of the sensors.
        beside: shares found beside simple detectors.
        but: what limits the verdict; "": nothing does.
    """

    verdict: CapacityVerdict
    reason: str
    part: str | None
    segments: int | None
    frames: int | None
    freedom: float | None
    most_freedom: float | None
    explained: float | None
    found_in_normal: float | None
    kinds: dict[str, InjectedKind]
    most_found: float | None = None
    beside: BesideFacts | None = None
    but: str = ""

    @property
    def summary(self) -> str:
        """Verdict, what limits it, and reason."""
        return f"{self.verdict}{f', but {self.but}' if self.but else ''}: {self.reason}"

    @property
    def title(self) -> str:
        """Title of the table of `rows`."""
        return (
            f"{self.segments} strips of {self.frames} frames of the {self.part} part, with synthetic anomalies; "
            f"{self.found_in_normal or 0.0:.0%} are above the threshold without"
        )

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Cells below `HEADINGS`, a row for each kind; the last cell is of its largest size."""
        return [(f"{kind.replace('_', ' ')}, {one.unit}", *_cells(one)) for kind, one in self.kinds.items()]


def _cells(kind: InjectedKind) -> tuple[str, ...]:
    sizes = kind.sizes
    shares = kind.why_none or "".join(f"{one.size:g}: {one.found:.0%}".ljust(CELL_WIDTH) for one in sizes).rstrip()
    given_back = "-" if not sizes or sizes[-1].given_back is None else f"{sizes[-1].given_back:.0%}"
    return shares, _size(kind.half_from), _size(kind.nine_tenths_from), given_back


def _size(least: float | None) -> str:
    return "-" if least is None else f"{least:g}"
