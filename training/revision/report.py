"""What an amendment tells: as plain facts (JSON), and as a table for people."""

from typing import Any

import msgspec

from stream.registry.manifest import Manifest
from stream.registry.registry import Registry
from stream.terminal import console, plain_table
from training.revision.amend import AmendedBundle
from training.revision.child import aliases_of


def facts(amended: AmendedBundle, registry: Registry) -> dict[str, Any]:
    """The child and what came of the threshold, as JSON can hold it."""
    m, parent = amended.manifest, amended.parent
    return {
        "bundle": registry.place(m.detector, "versions", m.version),
        "version": m.version,
        "parent": m.parent,
        "aliases": list(aliases_of(m)),
        "amended": msgspec.to_builtins(m.amended),
        "threshold": {
            "from": parent.threshold_report,
            "to": m.threshold_report,
        },
    }


def show(amended: AmendedBundle, registry: Registry) -> None:
    """The table, on stdout."""
    m, parent = amended.manifest, amended.parent
    table = plain_table()
    for name, change in m.amended.items():
        table.add_row(name.removesuffix("_ns"), f"{_said(name, change.before)} -> {_said(name, change.after)}")
    table.add_row("threshold", f"{_threshold(parent)} -> {_threshold(m)}")
    table.add_row("implies", f"{m.threshold.implied_per_week:.3g} alerts per series and week on the kept levels")
    table.add_row("bundle", registry.place(m.detector, "versions", m.version))
    table.add_row("parent", parent.version)
    table.add_row("aliases", ", ".join(aliases_of(m)) or "none")
    console().print(table)


def _said(name: str, value: object) -> str:
    if value is None:
        return "not set"
    return f"{value / 1e9:g} s" if isinstance(value, int) and name.endswith("_ns") else str(value)


def _threshold(manifest: Manifest) -> str:
    tail = ", extrapolated" if manifest.threshold.extrapolated else ""
    return f"q = {manifest.threshold_q:.4g}{tail}"
