"""The report of an amendment: a struct for JSON, and a table for people."""

import msgspec

from stream.registry.manifest import Change, Manifest
from stream.registry.manifest_facts import ThresholdFacts
from stream.registry.registry import Registry
from stream.terminal import console, plain_table
from training.revision.amend import AmendedBundle
from training.revision.child import aliases_of


class ThresholdChange(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """The threshold of the parent and that of the child."""

    before: ThresholdFacts
    after: ThresholdFacts


class AmendmentFacts(msgspec.Struct, frozen=True):
    """An amendment, as `narrows models amend --json` prints it."""

    bundle: str
    version: str
    parent: str | None
    aliases: tuple[str, ...]
    amended: dict[str, Change]
    threshold: ThresholdChange


def facts(amended: AmendedBundle, registry: Registry) -> AmendmentFacts:
    """The child and its threshold, for JSON."""
    m, parent = amended.manifest, amended.parent
    return AmendmentFacts(
        bundle=registry.place(m.detector, "versions", m.version),
        version=m.version,
        parent=m.parent,
        aliases=aliases_of(m),
        amended=m.amended,
        threshold=ThresholdChange(parent.threshold_report, m.threshold_report),
    )


def show(amended: AmendedBundle, registry: Registry) -> None:
    """Prints the table on stdout."""
    m, parent = amended.manifest, amended.parent
    table = plain_table()
    for name, change in m.amended.items():
        table.add_row(name.removesuffix("_ns"), f"{_value(name, change.before)} -> {_value(name, change.after)}")
    table.add_row("threshold", f"{_threshold(parent)} -> {_threshold(m)}")
    table.add_row("implies", f"{m.threshold.implied_per_week:.3g} alerts per series and week on the kept levels")
    if m.threshold.severity is not None:
        table.add_row("severity", m.threshold.severity.summary)
    table.add_row("bundle", registry.place(m.detector, "versions", m.version))
    table.add_row("parent", parent.version)
    table.add_row("aliases", ", ".join(aliases_of(m)) or "none")
    console().print(table)


def _value(name: str, value: object) -> str:
    if value is None:
        return "not set"
    return f"{value / 1e9:g} s" if isinstance(value, int) and name.endswith("_ns") else str(value)


def _threshold(manifest: Manifest) -> str:
    promise = f" for {manifest.threshold.promise}" if manifest.threshold.promise else ""
    return f"q = {manifest.threshold_q:.4g}{promise}"
