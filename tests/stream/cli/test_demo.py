"""`narrows demo`, the README's first command, as a user runs it: no services, every fault found, no false alert."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

DISPOSITIONS = ("used", "late", "duplicate", "ignored", "dead", "unconfirmed")
VERDICTS = ("scored", "warming", "degraded", "off")


def test_the_demo_finds_every_fault_it_injects_and_tells_of_nothing_else(tmp_path: Path) -> None:
    """And of the spike, which smoothing must swallow; the readings add up, and the picture that it names is one."""
    done = subprocess.run(
        [sys.executable, "-m", "stream", "demo", "--json", "--seconds", "0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    found, counts = document["found"], document["counts"]
    faults = {fault["kind"]: fault for fault in found["faults"]}
    assert faults.keys() == {"leak", "stuck sensor", "bearing wear", "spike"}
    assert all(fault["as_expected"] for fault in faults.values())
    assert all(fault["alerts"] and fault["delay_s"] >= 0 for kind, fault in faults.items() if kind != "spike")
    assert (faults["spike"]["expected"], faults["spike"]["alerts"]) == ("none", 0)
    assert (found["found"], found["expected"], found["false_alerts"]) == (3, 3, [])
    assert counts["received"] == sum(counts[fate] for fate in DISPOSITIONS) == 12 * 1440, "12 pumps, a day of minutes"
    assert counts["used"] == sum(counts[verdict] for verdict in VERDICTS)
    assert counts["incidents.opened"] == sum(fault["alerts"] for fault in faults.values())
    picture = (tmp_path / document["picture"]).read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.rstrip(b"\x00")[-8:-4] == b"IEND", "whole, not cut off"
