"""How many of the alerts that people have judged were worth it, per series and together."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from stream.events.feedback import Judgements, Verdict

UNJUDGED = "unjudged"


def facts(judgements: Judgements) -> dict[str, Any]:
    """Precision of every series and of all, and what of the feedback is odd, as JSON can hold it."""
    verdicts: dict[str, list[str]] = {}
    for alert in judgements.alerts.values():
        verdicts.setdefault(alert.series, []).append(judgements.verdict(alert) or UNJUDGED)
    return {
        "series": [{"series": name, **_counted(verdicts[name])} for name in sorted(verdicts)],
        "all": _counted([verdict for of_series in verdicts.values() for verdict in of_series]),
        "unknown": list(judgements.unknown),
        "contradicted": [
            {"alert_id": alert_id, "holds": judgements.verdicts[alert_id].verdict}
            for alert_id in judgements.contradicted
        ],
    }


def _counted(verdicts: Sequence[str]) -> dict[str, Any]:
    """Alerts by verdict; precision is confirmed / (confirmed + false), None where neither was said."""
    counts = Counter(verdicts)
    judged = counts["confirmed"] + counts["false"]
    return {
        "alerts": len(verdicts),
        **{name: counts[name] for name in (*get_args(Verdict), UNJUDGED)},
        "precision": counts["confirmed"] / judged if judged else None,
    }
