"""What a training run tells: as plain facts (JSON), and as a table for people."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from training.divergence import COLLAPSED, alive
from training.fit import Epoch
from training.history import peak_memory_mb
from training.pipeline import Progress, Trained

# Lines of progress where no terminal is: enough to see it live, few enough to read.
QUIET_SECONDS = 5.0


def progress() -> Progress:
    """Stages and epochs on stderr; a line that is rewritten on a terminal, one every few seconds elsewhere."""
    terminal, last = sys.stderr.isatty(), [0.0]

    def stage(name: str, note: str) -> None:
        # The line of the last epoch is still open.
        print(f"{chr(10) if terminal and last[0] else ''}{name}: {note}", file=sys.stderr)
        last[0] = 0.0

    def epoch(seen: Epoch) -> None:
        now = time.monotonic()
        if not terminal and now - last[0] < QUIET_SECONDS:
            return
        last[0] = now
        line = (
            f"fit: epoch {seen.number}, loss {seen.loss:.4g}, held out {seen.stop_loss:.4g}, "
            f"{seen.windows_per_s:,.0f} windows/s, at most {seen.seconds_left:.0f} s left"
        )
        print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    return Progress(stage, epoch)


def facts(trained: Trained) -> dict[str, Any]:
    """The run as JSON can hold it."""
    m, seconds = trained.manifest, trained.history.seconds
    return {
        "bundle": str(trained.folder),
        "version": m.version,
        "aliases": list(trained.aliases),
        "sensors": list(m.sensors),
        "data": m.data,
        "threshold": {"q": m.threshold_q, **m.threshold},
        "metrics": m.metrics,
        "rows_per_s": trained.history.rows / max(seconds, 1e-9),
        "peak_memory_mb": peak_memory_mb(),
    }


def show(trained: Trained) -> None:
    """The table, on stdout."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, value in _rows(trained):
        table.add_row(name, value)
    console.print(table)


def _rows(trained: Trained) -> list[tuple[str, str]]:
    m, history, c = trained.manifest, trained.history, trained.calibration
    spec, fitted = m.model, trained.fitted
    sizes = f"W={spec.window}, M={spec.smoothing}, hidden {spec.hidden}, latent {spec.latent}, K={spec.members}"
    epochs = f"{len(fitted.epochs)} epochs, held-out loss {min(fitted.best_loss):.4g}"
    rows = [
        ("history", f"{history.rows:,} readings, {m.data['series']} series, {m.data['from']} to {m.data['to']}"),
        ("read at", f"{history.rows / max(history.seconds, 1e-9):,.0f} rows/s; peak memory {peak_memory_mb():,.0f} MB"),
        ("sensors", f"{len(m.sensors)}: {', '.join(m.sensors[:8])}{', ...' if len(m.sensors) > 8 else ''}"),
        ("left out", _left_out(trained)),
        ("frames", ", ".join(f"{name} {count:,}" for name, count in trained.parts.items())),
        ("model", f"{spec.kind}, {sizes}"),
        ("fit", f"{epochs}, {fitted.windows_per_s:,.0f} windows/s"),
        *(("code", _told(own)) for own in fitted.divergence),
        ("threshold", _threshold(trained)),
        ("implies", f"{_rate(c.implied_per_week)} on calibrate; {c.share_above:.3%} of frames above"),
        ("on gate", _gate(m.metrics["gate"])),
        ("bundle", str(trained.folder)),
        ("aliases", ", ".join(trained.aliases)),
    ]
    return rows + [("vetting", f"{f.sensor}: {f.kind}, {f.reason}") for f in trained.findings]


def _left_out(trained: Trained) -> str:
    data = trained.manifest.data
    said = {"dead": "without a usable time or series", "ignored": "of sensors not asked for"}
    fates = [f"{n:,} {said.get(name, name)}" for name, n in data["dispositions"].items() if name != "used" and n]
    fates += [f"{data['labelled']:,} labelled"] if data["labelled"] else []
    return ", ".join(fates) or "nothing"


def _told(dimensions: tuple[float, ...]) -> str:
    """What the code of a variational member tells of a window."""
    dead = len(dimensions) - alive(dimensions)
    said = ", ".join(f"{nats:.2g}" for nats in dimensions)
    return f"{said} nats per dimension; {dead} of {len(dimensions)} collapsed (below {COLLAPSED:g})"


def _threshold(trained: Trained) -> str:
    c = trained.calibration
    promise = _rate(c.promised) if c.method == "budget" else f"percentile {c.promised:g}"
    text = f"{promise}: q = {c.table.q:.4g} (estimate {c.q_point:.4g}), {c.weeks:.3g} series-weeks in {c.blocks} blocks"
    if not c.extrapolated:
        return text
    return f"{text}; EXTRAPOLATED: {c.weeks_needed:.3g} series-weeks of normal data would do without"


def _gate(gate: dict[str, float]) -> str:
    if not gate["levels"]:
        return "no held-out frames left"
    return (
        f"{_rate(gate['alerts_per_week'])}, {gate['share_above']:.3%} of {gate['levels']:,} frames above "
        "(nothing has seen this part)"
    )


def _rate(per_week: float) -> str:
    return f"{per_week:.3g} alerts per series and week"
