"""What an evaluation says in words: the good and the bad."""

from collections.abc import Iterator, Sequence

from stream.counters import Count
from training.evaluate.evaluation import Evaluation
from training.metrics.events import EventMetrics

# Fewer than this many promised alerts in the rows at hand: none or several say little.
FEW = 2.3
LOST = (Count.LATE, Count.DUPLICATE, Count.IGNORED, Count.DEAD)
UNSCORED = (Count.WARMING, Count.DEGRADED, Count.OFF)


def sentences(of: Evaluation) -> list[str]:
    """The summary, one statement each; what speaks against the figures is said as loudly as what speaks for them."""
    assert of.ours.found is not None
    return [*_incidents(of.ours.found), *_ranking(of), *_promise(of), *_counted(of), *_floors(of)]


def _incidents(found: EventMetrics) -> Iterator[str]:
    if not found.events:
        yield "No row is labelled: nothing can be said of what was found."
    else:
        late = "" if found.median_delay_s is None else f", {duration(found.median_delay_s)} after its start (median)"
        before = found.found - found.opened_inside
        yield (
            f"{found.opened_inside} of {plural(found.events, 'labelled event')} had an alert open inside{late}"
            f"{f'; {before} more were met by an alert that was open before' if before else ''}."
        )
    days = duration(found.normal_days * 86_400)
    if not found.incidents:
        yield f"No alert opened, in {days} of normal operation."
        return
    rate = "" if found.false_per_day is None else f": {found.false_per_day:.2g} per series and day"
    yield f"{found.false} of {plural(found.incidents, 'alert')} false{rate}, in {days} of normal operation."


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
    opened = f"{plural(p.alerts, 'alert')} opened in {p.weeks:.3g} series-weeks where {expected:.2g} were promised"
    yield f"Normal rows: {opened}{_shares(of)}.{few}"
    if p.extrapolated:
        yield "The promise was extrapolated in calibration: its data could not support it."


def _shares(of: Evaluation) -> str:
    share, promised = of.promise.share, of.promise.promised_share
    return "" if share is None or promised is None else f", {share:.3%} of frames above where {promised:.3%} were"


def _counted(of: Evaluation) -> Iterator[str]:
    frames, labelled = of.unscored
    if frames:
        why = _listed(of, UNSCORED)
        yield (
            f"{frames:,} of {len(of.truth.labels):,} frames had no score ({why}), {labelled:,} of them labelled: they "
            "count as the lowest score and as no alarm."
        )
    lost = _listed(of, LOST)
    if lost:
        yield f"Of {of.labelled.counts[Count.RECEIVED]:,} readings some made no frame: {lost}."


def _listed(of: Evaluation, names: Sequence[Count]) -> str:
    return ", ".join(f"{of.labelled.counts[name]:,} {name}" for name in names if of.labelled.counts[name])


def _floors(of: Evaluation) -> Iterator[str]:
    if of.floors is None:
        yield "No baselines: they learn from the bundle's history; name it with --fit."
        return
    if not of.floors.learned.same_rows:
        yield f"The baselines learned from {of.floors.learned.why}."
    for name, why in of.floors.no_threshold.items():
        yield f"{name} has no threshold, so it is ranked only: {why}."
    if of.floors.seen:
        yield f"{of.floors.seen:,} of the frames judged are in the history, too: not all of this was unseen."


def plural(count: int, noun: str) -> str:
    """3 alerts, 1 alert."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
