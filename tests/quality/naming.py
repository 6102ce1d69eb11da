"""The sensors that alerts name on real labelled data, beside what the data say: `python -m tests.quality.naming`.

A sensor rests at a value if it has it in 95 % of its history. The causes of an event are labelled for servers.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from stream.detect.incidents.incident import IncidentEvent
from stream.errors import DataError
from stream.intake.tables.hints import Hints
from stream.registry.bundle import load
from tests.quality.cases import CASES, MACHINES
from tests.real_data.cases import ANSWERS, LABEL, TIME, Asset, Case, data_folder, times_of
from tests.support.options import train_options
from tests.support.small_training import QUIET
from training.evaluate.labelled import score_labelled
from training.pipeline import train

GROUPS = (*MACHINES, "skab", "nab")
COUNTS = ("alerts", "name a still sensor", "first", "named", "at rest", "hidden", "with causes", "of these", "causes")
RESTS, FOLLOWS = 0.95, 34
# A cause says little about an alert that is open for longer: most of it is something else.
LONGEST = 600


def main() -> None:
    """Prints a row for each folder: counts over its alerts, with the defaults and seed 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality.naming", description=__doc__)
    parser.add_argument("groups", nargs="*", choices=(*GROUPS, "all"), default="all")
    wanted = parser.parse_args().groups
    torch.set_num_threads(1)
    print("| data |", " | ".join(COUNTS), "|", f"\n| --- {'| --- ' * len(COUNTS)}|", flush=True)
    for group in GROUPS if "all" in wanted else wanted:
        counts: Counter[str] = Counter()
        for case in CASES[group](data_folder()):
            with tempfile.TemporaryDirectory(prefix="narrows-naming-") as folder:
                counts += _counts(case, group, Path(folder))
        print(f"| {group} |", " | ".join(str(counts[name]) for name in COUNTS), "|", flush=True)


def _counts(case: Case, group: str, folder: Path) -> Counter[str]:
    history, live = case.write(folder)
    options = train_options("naming", history, folder / "registry", hints=Hints(time=TIME, exclude=ANSWERS))
    try:
        definition = load(train(options, QUIET).folder)[1]
    except DataError as fault:
        print(f"{case.name}: {fault}"[:120])
        return Counter()
    found = score_labelled(definition, live, Hints(time=TIME, label=LABEL, exclude=ANSWERS[1:]))
    counts: Counter[str] = Counter()
    for asset in case.assets:
        known = _Known(asset, group)
        for alert in found.incidents:
            if alert.series == asset.series:
                counts += known.counts(alert)
    return counts


class _Known:
    """The sensors of a series, as its data and labels show them."""

    def __init__(self, asset: Asset, group: str) -> None:
        self._sensors, self._times = asset.sensors, times_of(asset.live)
        past, live = asset.values(asset.history), asset.values(asset.live)
        both = np.vstack([past, live])
        self._still = dict(zip(self._sensors, np.nanmin(both, axis=0) == np.nanmax(both, axis=0), strict=True))
        self._rest = {name: _rest(past[:, place]) for place, name in enumerate(self._sensors)}
        self._causes = list(_causes(data_folder() / group / "interpretation_label" / f"{asset.series}.txt"))

    def counts(self, alert: IncidentEvent) -> Counter[str]:
        """The counts of one alert."""
        still = [bool(self._still[one.name]) for one in alert.sensors]
        moving = [one for one in alert.sensors if not self._still[one.name]]
        counts = Counter(
            {
                "alerts": 1,
                "name a still sensor": int(any(still)),
                "first": int(still[:1] == [True]),
                "named": len(still),
                "at rest": sum(one.observed == self._rest[one.name] for one in moving),
                "hidden": int(not all(one.visible for one in alert.sensors)),
            }
        )
        if causes := self._causes_of(alert):
            right = sum(self._sensors.index(one.name) in causes for one in alert.sensors)
            counts += Counter({"with causes": 1, "of these": len(still), "causes": right})
        return counts

    def _causes_of(self, alert: IncidentEvent) -> set[int]:
        begin = int(np.searchsorted(self._times, alert.started_at))
        end = len(self._times) if alert.ended_at is None else int(np.searchsorted(self._times, alert.ended_at))
        if end - begin >= LONGEST:
            return set()
        spans = [causes for first, last, causes in self._causes if first < end and begin <= last + FOLLOWS]
        return set().union(*spans)


def _rest(values: np.ndarray) -> float:
    """The value at which a sensor rests; NaN: it moves."""
    levels, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    rests = len(levels) and counts.max() >= RESTS * counts.sum()
    return float(levels[counts.argmax()]) if rests else float("nan")


def _causes(file: Path) -> Iterator[tuple[int, int, set[int]]]:
    """First row, row after the last, and places of the sensors of each event; nothing where there is no such file."""
    lines: Sequence[str] = file.read_text().split() if file.is_file() else ()
    for line in lines:
        span, places = line.split(":")
        first, last = map(int, span.split("-"))
        yield first, last, {int(place) - 1 for place in places.split(",")}


if __name__ == "__main__":
    main()
