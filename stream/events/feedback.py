"""What people say of alerts: the record, the verdict that holds, and the spans of the alerts that were judged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from stream.events.incident_view import IncidentView, to_ns
from stream.events.record import schema_of

Verdict = Literal["confirmed", "false", "maintenance"]


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verdict on one alert. The last by time holds.

    Attributes:
        alert_id: that of the alert.
        verdict: confirmed: trouble that was worth an alert. false: normal operation. maintenance: somebody was at work.
        at: when it was judged, RFC 3339; what has none is taken for older than what has.
        by: who judged. note: why.
    """

    alert_id: Annotated[str, msgspec.Meta(min_length=1)]
    verdict: Verdict
    at: str | None = None
    by: str | None = None
    note: str | None = None


class JudgedSpan(NamedTuple):
    """The time of an alert, start_ns <= time < end_ns, and what was said of it; an open alert goes on for ever."""

    series: str
    start_ns: int
    end_ns: int
    verdict: Verdict


@dataclass(frozen=True)
class Judgements:
    """Verdicts beside the alerts they are about.

    Attributes:
        alerts: every alert that is known, by id, in its newest state.
        verdicts: the one that holds, by alert id; of alerts that are known or not.
        contradicted: ids that were judged in two ways, sorted.
    """

    alerts: Mapping[str, IncidentView]
    verdicts: Mapping[str, Feedback]
    contradicted: tuple[str, ...]

    @staticmethod
    def of(alerts: Mapping[str, IncidentView], entries: Iterable[Feedback]) -> "Judgements":
        """Entries in the order in which they were given."""
        verdicts: dict[str, Feedback] = {}
        contradicted = set()
        for entry in sorted(entries, key=_when):
            known = verdicts.get(entry.alert_id)
            if known is not None and known.verdict != entry.verdict:
                contradicted.add(entry.alert_id)
            verdicts[entry.alert_id] = entry
        return Judgements(alerts, verdicts, tuple(sorted(contradicted)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Ids that were judged, of which no alert is known; sorted."""
        return tuple(sorted(self.verdicts.keys() - self.alerts.keys()))

    def verdict(self, alert: IncidentView) -> Verdict | None:
        """What holds of an alert; None: nobody has judged it."""
        entry = self.verdicts.get(alert.alert_id)
        return None if entry is None else entry.verdict

    def spans(self) -> list[JudgedSpan]:
        """Those of the alerts that were judged, in the order of the alerts."""
        judged = ((alert, self.verdict(alert)) for alert in self.alerts.values())
        return [JudgedSpan(alert.series, *alert.span, verdict) for alert, verdict in judged if verdict is not None]


def _when(entry: Feedback) -> tuple[bool, int]:
    return (False, 0) if entry.at is None else (True, to_ns(entry.at))


def feedback_schema() -> dict[str, Any]:
    """JSON Schema of the feedback record."""
    return schema_of(Feedback, "feedback")
