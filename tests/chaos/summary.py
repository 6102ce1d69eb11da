"""The figures of a run with the conditions they were taken under, as text and as JSON."""

import json
import os
import platform
import re
from typing import Any

import confluent_kafka

from deploy.kafka.jars import jars
from tests.chaos.plan import SIZES
from tests.chaos.run import NAMES, Report
from tests.support.live import PARTITIONS


def as_dict(report: Report) -> dict[str, Any]:
    """Everything, for JSON."""
    verdict, size = report.verdict, SIZES[report.size]
    return {
        "conditions": conditions() | {
            "seed": report.seed, "size": report.size, "partitions": PARTITIONS, "consumers": len(NAMES),
            "series": size.series, "records_per_s": size.rate,
        },
        "records": report.records,
        "dispositions": dict(report.expected.dispositions),
        "alert_events": len(report.expected.events),
        "aborted_alert_events": verdict.aborted,
        "kills": report.kills,
        "faults": dict(sorted(report.done.items())),
        "unreached": report.unreached,
        "ended_by_themselves": len(report.surprises),
        "lost": verdict.lost,
        "twice": verdict.twice,
        "extra": verdict.extra,
        "out_of_order": verdict.out_of_order,
        "wrong": verdict.wrong,
        "uncommitted_without_repetitions": {"lost": verdict.uncommitted_lost, "extra": verdict.uncommitted_extra},
        "scores_near_a_limit": report.expected.near,
        "back_after_broker_kill_s": round(report.back_after_broker_kill_s, 1),
        "back_after_cut_s": round(report.back_after_cut_s, 1),
        "kill_to_scored_s": {"restarted": report.restart.as_dict(), "taken_over": report.takeover.as_dict()},
        "seconds": round(report.seconds, 1),
        "complaints": report.complaints,
    }  # fmt: skip


def conditions() -> dict[str, Any]:
    """Versions and machine."""
    kafka = re.search(r"clients-(.+)\.jar", next(jars().glob("kafka-clients-*.jar")).name)
    return {
        "kafka": kafka[1] if kafka else "unknown",
        "confluent_kafka": confluent_kafka.__version__,
        "librdkafka": confluent_kafka.libversion()[0],
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_at_end": round(os.getloadavg()[0], 1),
    }


def show(report: Report, as_json: bool) -> None:
    """Prints it all on stdout."""
    found = as_dict(report)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            print(f"{name.replace('_', ' ')}:")
            for key, entry in value.items():
                print(f"  {key.replace('_', ' ')}: {entry}")
        else:
            print(f"{name.replace('_', ' ')}: {value}")
    print("exactly once" if report.verdict.clean else "NOT exactly once")
