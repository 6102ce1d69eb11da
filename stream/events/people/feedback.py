"""Feedback on alerts: the record, the verdict that holds, and the time of each judged alert."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import msgspec

from stream.events.incident_view import IncidentView, to_ns
from stream.events.record import JsonSchema, schema_of

Verdict = Literal["confirmed", "false", "maintenance"]


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's verdict on one alert. Of several verdicts, the last by time holds.

    Attributes:
        verdict: confirmed: trouble that was worth an alert. false: normal operation. maintenance: somebody was at work.
        at: time of the verdict, RFC 3339; a verdict without time counts as older than all with one.
        by: person who gave the verdict. note: reason for it.
    """

    alert_id: Annotated[str, msgspec.Meta(min_length=1)]
    verdict: Verdict
    at: str | None = None
    by: str | None = None
    note: str | None = None


class JudgedSpan(NamedTuple):
    """Time of a judged alert, start_ns <= time < end_ns, and its verdict; that of an open alert has no end."""

    series: str
    start_ns: int
    end_ns: int
    verdict: Verdict


@dataclass(frozen=True)
class Judgements:
    """Alerts and the verdicts on them.

    Attributes:
        alerts: every known alert by id, in its newest state.
        verdicts: the verdict that holds, by alert id; also of alerts that are not known.
        contradicted: ids of alerts with two different verdicts, sorted.
    """

    alerts: Mapping[str, IncidentView]
    verdicts: Mapping[str, Feedback]
    contradicted: tuple[str, ...]

    @staticmethod
    def of(alerts: Mapping[str, IncidentView], entries: Iterable[Feedback]) -> "Judgements":
        """Judgements from all entries; of those with the same time, the later entry holds."""
        verdicts: dict[str, Feedback] = {}
        contradicted = set()
        for entry in sorted(entries, key=_time):
            known = verdicts.get(entry.alert_id)
            if known is not None and known.verdict != entry.verdict:
                contradicted.add(entry.alert_id)
            verdicts[entry.alert_id] = entry
        return Judgements(alerts, verdicts, tuple(sorted(contradicted)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Judged ids without a known alert, sorted."""
        return tuple(sorted(self.verdicts.keys() - self.alerts.keys()))

    def verdict(self, alert: IncidentView) -> Verdict | None:
        """Verdict that holds; None: the alert was not judged."""
        entry = self.verdicts.get(alert.alert_id)
        return None if entry is None else entry.verdict

    def spans(self) -> list[JudgedSpan]:
        """Times of the judged alerts, in the order of `alerts`."""
        judged = ((alert, self.verdict(alert)) for alert in self.alerts.values())
        return [JudgedSpan(alert.series, *alert.span, verdict) for alert, verdict in judged if verdict is not None]


def _time(entry: Feedback) -> tuple[bool, int]:
    return (False, 0) if entry.at is None else (True, to_ns(entry.at))


def feedback_schema() -> JsonSchema:
    """JSON Schema of the feedback record."""
    return schema_of(Feedback, "feedback")
