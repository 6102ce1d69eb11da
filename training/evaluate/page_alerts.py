"""Sections of the page about alerts, and about labelled events in which none opened."""

from collections.abc import Iterator

from stream.detect.incidents.incident import IncidentEvent
from stream.events.record import rfc3339
from training.evaluate.evaluation import Evaluation
from training.evaluate.figures import alert_class
from training.evaluate.labelled import spans
from training.evaluate.markup import Markup, safe, table, tag
from training.evaluate.outcomes import by_length
from training.evaluate.summary import duration

# The page shows the alerts with the highest scores and the longest events, and says how many there are.
MOST_ALERTS, MOST_SENSORS = 50, 12
LEAST, BAR_REM = 0.005, 20.0  # smaller shares would read 0 %


def alerts(of: Evaluation) -> Iterator[Markup]:
    """The alerts with the highest peaks, and the sensors with the largest shares of their errors."""
    incidents = sorted(of.labelled.incidents, key=lambda one: -one.peak_score)
    yield tag("h2", "Alerts, and the sensors that carried them")
    if not incidents:
        yield tag("p", "There were none.")
        return
    shares = dict.fromkeys(of.bundle.definition.sensors, 0.0)
    for one in incidents:
        for sensor in one.sensors:
            shares[sensor.name] += sensor.share / len(incidents)
    carriers = sorted(shares.items(), key=lambda item: -item[1])[:MOST_SENSORS]
    yield tag("p", "Mean share of the error at the peak, over all alerts.", class_="soft")
    yield table(("sensor", "share"), [(name, _bar(share)) for name, share in carriers if share >= LEAST], texts=2)
    left = len(incidents) - MOST_ALERTS
    yield tag("h3", f"The {MOST_ALERTS} with the highest peaks; {left} are not shown" if left > 0 else "All, by peak")
    names = ("series", "opened", "worth", "sensors: observed, expected", "lasted", "severity", "peak")
    yield table(names, [_alert(one, of) for one in incidents[:MOST_ALERTS]], texts=4)


def _bar(share: float) -> Markup:
    return Markup(f'<span class="bar" style="width:{BAR_REM * share:.2f}rem"></span>{share:.0%}')


def _alert(one: IncidentEvent, of: Evaluation) -> tuple[str, ...]:
    (span,) = spans([one])
    kind = alert_class(of.truth, span)
    lasted = "open" if one.ended_at is None else duration((one.ended_at - one.started_at) / 1e9)
    sensors = [
        f"{sensor.name} {sensor.share:.0%}: {'missing' if sensor.observed is None else f'{sensor.observed:.4g}'}, "
        f"{sensor.expected:.4g}"
        for sensor in one.sensors[:2]
    ]
    return (
        one.series,
        rfc3339(one.started_at),
        tag("span", kind, class_=f"tag {kind}"),
        Markup("<br>".join(map(safe, sensors))),
        lasted,
        one.severity,
        f"{one.peak_score:.3g}",
    )


def missed_events(of: Evaluation) -> Iterator[Markup]:
    """Labelled events by length, and those in which no alert opened, longest first."""
    if not of.outcomes:
        return
    yield tag("h2", "Labelled events by length")
    counts = [(one.name, f"{one.events:,}", f"{one.found:,}") for one in by_length(of.outcomes)]
    yield table(("labelled frames", "events", "found"), counts)
    unmet = sorted((one for one in of.outcomes if one.outcome != "found"), key=lambda one: -one.frames)
    yield tag("h3", f"The longest of {len(unmet):,} in which none opened")
    rows = [
        (
            one.span.series,
            rfc3339(one.span.start_ns),
            one.outcome,
            f"{one.frames:,}",
            "-" if one.peak_score is None else f"{one.peak_score:.3g}",
        )
        for one in unmet[:MOST_ALERTS]
    ]
    yield table(("series", "began", "outcome", "frames", "highest score"), rows, texts=3)
