"""Conditions under which figures are taken: versions and machine."""

import os
import platform
import re
from typing import Any

import confluent_kafka

from deploy.kafka.jars import jars


def broker_conditions() -> dict[str, Any]:
    """Versions of broker and client, and the machine with its load."""
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
