"""The report of a training run: progress, a struct for JSON, and a table for people."""

import resource
import sys
import time
from collections.abc import Mapping, Sequence

import msgspec

from stream.events.account import SeriesAccount, summary
from stream.messages import figure, rewrite, say, shortened, some
from stream.registry.manifest import Manifest
from stream.registry.manifest_facts import DRIFT, DataFacts, FeedbackFacts, GateFacts, MetricFacts, ThresholdFacts
from stream.terminal import console, duration, plain_table
from training.fitting.fit import Epoch
from training.fitting.members import Progress
from training.pipeline import TrainingRun
from training.vetting.finding import Finding, by_weight

# Seconds between lines of progress where stderr is no terminal.
QUIET_SECONDS = 5.0
MOST_NAMES, MOST_FINDINGS = 8, 4
# Explanations of dispositions, and of frames in no part.
DISPOSITIONS = {"dead": "without a usable time or series", "ignored": "of sensors not asked for"}
LEFT_OUT = {
    "labelled": "or carried from one",
    "confirmed": "by feedback on alerts",
    "off": "maintenance, `score_when`",
    "degraded": "too many sensors missing",
    "purged": "W + M - 1 after each cut",
}


def progress() -> Progress:
    """Prints stages and epochs on stderr: a line that is rewritten on a terminal, else a line every few seconds."""
    terminal, last = sys.stderr.isatty(), [0.0]

    def stage(name: str, note: str) -> None:
        # On a terminal the line of the last epoch has no end yet.
        if terminal and last[0]:
            say()
        say(f"{name}: {note}")
        last[0] = 0.0

    def epoch(seen: Epoch) -> None:
        now = time.monotonic()
        if not terminal and now - last[0] < QUIET_SECONDS:
            return
        last[0] = now
        line = (
            f"fit: epoch {seen.number}, loss {seen.loss:.4g}, held out {seen.stop_loss:.4g}, "
            f"{seen.windows_per_s:,.0f} windows/s"
        )
        if seen.seconds_left is not None:
            line += f", about {duration(seen.seconds_left)} left"
        (rewrite if terminal else say)(line)

    return Progress(stage, epoch)


class TrainingFacts(msgspec.Struct, frozen=True):
    """A training run, as `narrows train --json` prints it. Keys are stable: some may be added, none is renamed."""

    bundle: str
    version: str
    aliases: tuple[str, ...]
    sensors: tuple[str, ...]
    data: DataFacts
    threshold: ThresholdFacts
    metrics: MetricFacts
    accounts: tuple[SeriesAccount, ...]
    rows_per_s: float
    peak_memory_mb: float
    findings: tuple[Finding, ...]


def facts(trained: TrainingRun) -> TrainingFacts:
    """The report for JSON."""
    m, seconds = trained.manifest, trained.history.seconds
    return TrainingFacts(
        bundle=trained.place,
        version=m.version,
        aliases=trained.aliases,
        sensors=m.sensors,
        data=m.data,
        threshold=m.threshold_report,
        metrics=m.metrics,
        accounts=trained.accounts,
        rows_per_s=trained.history.rows / max(seconds, 1e-9),
        peak_memory_mb=_peak_memory_mb(),
        findings=trained.findings,
    )


def show(trained: TrainingRun) -> None:
    """Prints the essentials on stdout, on a page; `narrows models show` has the rest."""
    console().print(plain_table(rows=_rows(trained)))


def _rows(trained: TrainingRun) -> list[tuple[str, str]]:
    m, history, c = trained.manifest, trained.history, trained.calibration
    spec, gate = m.model, m.metrics.gate
    sizes = f"W={spec.window}, M={spec.smoothing}, hidden {spec.hidden}, latent {spec.latent}, K={spec.members}"
    sizes += f", discriminator {spec.discriminator}" if spec.discriminator else ""
    used = {name: count for name, count in trained.parts.items() if name not in LEFT_OUT}
    return [
        ("history", f"{history.rows:,} readings, {m.data.series} series, {m.data.start} to {m.data.end}"),
        ("sensors", _some(m.sensors)),
        *_unscaled(m.data),
        ("left out", _left_out(trained)),
        *(("feedback", _feedback(counts)) for counts in [m.data.feedback] if counts is not None),
        ("frames", f"{sum(trained.parts.values()):,}: {_listed(used)}"),
        ("coverage", summary(trained.accounts)),
        ("model", f"{spec.kind}, {sizes}; {len(trained.fitted.epochs)} epochs"),
        ("threshold", _threshold(trained)),
        *(("set by", basis.said) for basis in [c.set_by] if basis is not None),
        ("implies", f"{_rate(c.implied_per_week)} on calibrate; {c.share_above:.3%} of frames above"),
        *(("severity", severity.summary) for severity in [c.severity] if severity is not None),
        ("on gate", _gate_alerts(gate)),
        *(("strength", capacity.summary) for capacity in [m.metrics.capacity] if capacity is not None),
        ("gate", _verdict(gate)),
        *(("refused", refusal) for refusal in gate.refusals),
        *(("drift", one.reason) for one in gate.criteria if one.name == DRIFT and gate.changes),
        *([("rules", _rules(m))] if m.rules.sensors or m.policy.valid else []),
        *(("vetting", finding) for finding in _findings(trained)),
        ("bundle", trained.place),
        ("aliases", ", ".join(trained.aliases) or "none points to it"),
    ]


def _some(names: Sequence[str]) -> str:
    """The number of names, and the first of them."""
    return f"{len(names)}: {some(list(map(shortened, names)), MOST_NAMES)}"


def _verdict(gate: GateFacts) -> str:
    """The verdict of the gate, with the criteria that it could not judge."""
    unjudged = [one.name for one in gate.criteria if one.verdict == "not judged"]
    return "; not judged: ".join(filter(None, [gate.verdict or "", ", ".join(unjudged)]))


def _findings(trained: TrainingRun) -> list[str]:
    """The weightiest findings of the vetting, and the number of the others."""
    return _first([finding.line(shortened(finding.sensor)) for finding in by_weight(trained.findings)])


def _first(lines: Sequence[str]) -> list[str]:
    """The first of these lines, and one with the number of the others."""
    left = len(lines) - MOST_FINDINGS
    return [*lines[:MOST_FINDINGS], *([f"and {left} more, in `narrows models show`"] if left > 0 else [])]


def _unscaled(data: DataFacts) -> list[tuple[str, str]]:
    """The first sensors that have no unit of their own, and values that scales leave out; no row where none are."""
    rows = [
        (title, line)
        for title, reasons in (("not watched", data.unwatched), ("stands still", data.still))
        for line in _first([f"{shortened(name)}: {why}" for name, why in reasons.items()])
    ]
    wild = some([f"{count:,} values of {shortened(name)}" for name, count in data.wild.items()], MOST_NAMES)
    return rows + ([("not in scale", f"far from all others: {wild}")] if wild else [])


def _rules(m: Manifest) -> str:
    """Ranges and rules of sensors; all of them were in force when the threshold was computed."""
    rules = [f"{v.sensor} in [{_limit(v.low)}, {_limit(v.high)}]" for v in m.policy.valid]
    for rule in m.rules.sensors:
        least = {"": rule.min_absolute, " of expected": rule.min_relative}
        sizes = [f"by {size:g}{unit}" for unit, size in least.items() if size]
        where = [] if rule.direction == "both" else [rule.direction]
        rules.append(" ".join([rule.sensor, *where, " and ".join(sizes)]).rstrip())
    return "; ".join(rules)


def _limit(limit: float | None) -> str:
    return "-" if limit is None else f"{limit:g}"


def _left_out(trained: TrainingRun) -> str:
    """Readings that were not used, by disposition, and frames in no part, by reason."""
    dispositions = {
        DISPOSITIONS.get(name, name): n for name, n in trained.manifest.data.dispositions.items() if name != "used"
    }
    reasons = {f"{name} ({LEFT_OUT[name]})": n for name, n in trained.parts.items() if name in LEFT_OUT}
    kinds = {"readings": _listed(dispositions), "frames": _listed(reasons)}
    return "; ".join(f"{kind}: {listed}" for kind, listed in kinds.items() if listed) or "nothing"


def _feedback(feedback: FeedbackFacts) -> str:
    """Alerts by the verdict of people, and how many of them lie in this history."""
    counts = {"confirmed": feedback.confirmed, "false": feedback.false, "maintenance": feedback.maintenance}
    listed = ", ".join(f"{count.alerts:,} {name} ({count.in_history:,} here)" for name, count in counts.items())
    return f"{listed}; {feedback.unknown:,} about alerts that nobody knows"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _threshold(trained: TrainingRun) -> str:
    c = trained.calibration
    promise, (low, high) = _rate(c.supported) if c.method == "budget" else f"percentile {c.supported:.6g}", c.likely
    text = f"{promise}: q = {c.table.q:.4g}, from {c.weeks:.3g} series-weeks; likely {figure(low)} to {figure(high)}"
    if c.supported != c.promised:
        return f"{text}; {c.promised:g} is asked for, and takes {c.weeks_needed:.3g} series-weeks"
    return f"{text}; EXTRAPOLATED, {c.weeks_needed:.3g} would do without" if c.extrapolated else text


def _gate_alerts(gate: GateFacts) -> str:
    if not gate.levels or not isinstance(gate.alerts_per_week, float) or not isinstance(gate.share_above, float):
        return "no held-out frames left"
    return (
        f"{_rate(gate.alerts_per_week)}, {gate.share_above:.3%} of {gate.levels:,} frames above "
        "(nothing has seen this part)"
    )


def _rate(per_week: float) -> str:
    return f"{figure(per_week)} alerts per series and week"


def _peak_memory_mb() -> float:
    """Peak memory of this process, MB. The kernel counts in kB on Linux and in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
