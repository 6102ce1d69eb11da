"""Precision: the share of the judged alerts that were worth it, per series and together."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from stream.events.people.feedback import Judgements, Verdict


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts by verdict.

    Attributes:
        series: absent where the alerts are of all series.
        precision: confirmed / (confirmed + false); null where no alert was judged as either.
    """

    series: str | msgspec.UnsetType = msgspec.UNSET
    alerts: int
    confirmed: int
    false: int
    maintenance: int
    unjudged: int
    precision: float | None


class Contradiction(msgspec.Struct, frozen=True):
    """An alert that was judged in two ways, and the verdict that holds."""

    alert_id: str
    holds: Verdict


class PrecisionReport(msgspec.Struct, frozen=True):
    """Precision of every series and of all together, and feedback that is odd.

    Attributes:
        unknown: ids that were judged, without a known alert. contradicted: alerts that were judged in two ways.
    """

    series: tuple[Precision, ...]
    all: Precision
    unknown: tuple[str, ...]
    contradicted: tuple[Contradiction, ...]


def precision_report(judgements: Judgements) -> PrecisionReport:
    """Counts the verdicts on all known alerts."""
    verdicts: dict[str, list[Verdict | None]] = {}
    for alert in judgements.alerts.values():
        verdicts.setdefault(alert.series, []).append(judgements.verdict(alert))
    return PrecisionReport(
        series=tuple(msgspec.structs.replace(_count(verdicts[name]), series=name) for name in sorted(verdicts)),
        all=_count([verdict for of_series in verdicts.values() for verdict in of_series]),
        unknown=judgements.unknown,
        contradicted=tuple(
            Contradiction(alert_id, judgements.verdicts[alert_id].verdict) for alert_id in judgements.contradicted
        ),
    )


def _count(verdicts: Sequence[Verdict | None]) -> Precision:
    counts = Counter(verdicts)
    judged = counts["confirmed"] + counts["false"]
    return Precision(
        alerts=len(verdicts),
        confirmed=counts["confirmed"],
        false=counts["false"],
        maintenance=counts["maintenance"],
        unjudged=counts[None],
        precision=counts["confirmed"] / judged if judged else None,
    )
