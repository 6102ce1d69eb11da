"""The summary of an evaluation in sentences, for the good and the bad figures alike."""

from collections.abc import Iterator, Sequence

from stream.counters import Count
from stream.events.account import warnings
from stream.messages import counted
from stream.offline.bad_value_lines import bad_value_lines
from training.evaluate.evaluation import Evaluation
from training.evaluate.outcomes import by_length
from training.metrics.events import EventMetrics

# With fewer promised alerts than this, none or several of them prove little.
FEW = 2.3
DISCARDED = (Count.LATE, Count.DUPLICATE, Count.IGNORED, Count.DEAD, Count.UNCONFIRMED)
UNSCORED = (Count.WARMING, Count.DEGRADED, Count.OFF)


def sentences(of: Evaluation) -> list[str]:
    """The summary, one statement a sentence."""
    assert of.ours.events is not None
    found = [*_incidents(of.ours.events, _unlabelled(of)), *_lengths(of)]
    return [*found, *_ranking(of), *_promise(of), *_counted(of), *_baselines(of)]


def _unlabelled(of: Evaluation) -> str:
    """Says why there is no labelled event."""
    labelled, counts = of.labelled.labelled_readings, of.labelled.counts
    if not labelled and not counts[Count.DEAD]:
        return "No row is labelled"
    lost = ", ".join(f"{counts[kind]:,} {kind.name.lower()}" for kind in DISCARDED if counts[kind])
    if not labelled:
        return f"No row that could be read is labelled (of all readings: {lost})"
    return f"{counted(labelled, 'labelled row')} made no frame (of all readings: {lost})"


def _incidents(events: EventMetrics, unlabelled: str) -> Iterator[str]:
    if not events.events:
        yield f"{unlabelled}: nothing can be said of what was found."
    else:
        late = "" if events.median_delay_s is None else f", {duration(events.median_delay_s)} after its start (median)"
        before = events.found - events.opened_inside
        yield (
            f"{events.opened_inside} of {counted(events.events, 'labelled event')} had an alert open inside{late}"
            f"{f'; {before} more were met by an alert that was open before' if before else ''}."
        )
    days = duration(events.normal_days * 86_400)
    if not events.incidents:
        yield f"No alert opened, in {days} of normal operation."
        return
    rate = "" if events.false_per_day is None else f": {events.false_per_day:.2g} per series and day"
    yield f"{events.false} of {counted(events.incidents, 'alert')} false{rate}, in {days} of normal operation."


def _lengths(of: Evaluation) -> Iterator[str]:
    """Says how many events of each length were found, where there are several lengths."""
    counts = [one for one in by_length(of.outcomes) if one.events]
    if len(counts) > 1:
        found = ", ".join(f"{one.found} of {one.events} with {one.name}" for one in counts)
        yield f"Found by number of labelled frames: {found}."


def _ranking(of: Evaluation) -> Iterator[str]:
    mean, series = of.ours.mean("vus_pr")
    if mean is None:
        yield "The labels of each series are all alike: there is nothing to rank."
        return
    best = max(of.figures[1:], key=lambda one: one.mean("vus_pr")[0] or 0.0, default=None)
    if best is not None:
        other = best.mean("vus_pr")[0] or 0.0
        verdict = "is the best of the baselines" if other < mean else "ranks no worse than ours"
        yield f"VUS-PR {mean:.3f}, mean over {series} series; {best.name} {verdict}, with {other:.3f}."
    without = len(of.ours.series) - series
    if without:
        yield f"{without} of {len(of.ours.series)} series have labels all alike, and are in no mean of areas."


def _promise(of: Evaluation) -> Iterator[str]:
    p = of.promise
    if p.method is None or p.promised_per_week is None:
        yield "The bundle does not say what its threshold promises."
        return
    expected = p.promised_per_week * p.weeks
    few = " Too little normal operation to tell." if expected < FEW and p.alerts <= FEW else ""
    opened = f"{counted(p.alerts, 'alert')} opened in {p.weeks:.3g} series-weeks where {expected:.2g} were promised"
    yield f"Normal rows: {opened}{_shares(of)}.{few}"
    if p.extrapolated:
        yield f"The promise is from few data: {of.bundle.manifest.threshold.promise}."


def _shares(of: Evaluation) -> str:
    share, promised, in_alarm = of.promise.share, of.promise.promised_share, of.promise.in_alarm
    above = "" if share is None or promised is None else f", {share:.3%} of frames above where {promised:.3%} were"
    return above if in_alarm is None else f"{above}, {in_alarm:.2%} of the time in alarm"


def _counted(of: Evaluation) -> Iterator[str]:
    frames, labelled = of.unscored
    if frames:
        why = _listed(of, UNSCORED)
        yield (
            f"{frames:,} of {len(of.truth.labels):,} frames had no score ({why}), {labelled:,} of them labelled: they "
            "count as the lowest score and as no alarm."
        )
    accounts = of.labelled.accounts
    lines = [*warnings(accounts), *bad_value_lines(accounts, of.labelled.layout.bad_is_dead)]
    yield from (f"{line[0].upper()}{line[1:]}." for line in lines)
    discarded = _listed(of, DISCARDED)
    if discarded:
        yield f"Of {of.labelled.counts[Count.RECEIVED]:,} readings some made no frame: {discarded}."


def _listed(of: Evaluation, names: Sequence[Count]) -> str:
    return ", ".join(f"{of.labelled.counts[name]:,} {name}" for name in names if of.labelled.counts[name])


def _baselines(of: Evaluation) -> Iterator[str]:
    if of.baselines is None:
        yield "No baselines: they learn from the bundle's history; name it with --fit."
        return
    if of.baselines.history.difference is not None:
        yield f"The baselines learned from {of.baselines.history.difference}."
    for name, why in of.baselines.no_threshold.items():
        yield f"{name} has no threshold, so it is ranked only: {why}."
    if shared := of.baselines.shared_frames:
        yield f"{shared:,} of the frames judged are in the history, too: not all of this was unseen."


def duration(seconds: float) -> str:
    """A duration in the largest unit that it has at least two of."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
