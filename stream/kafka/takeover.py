"""What a partition takes over from its last life, and what its replay may tell.

A snapshot is written with each event of its series, in one transaction: between the snapshot and C nothing of the
series was told. Hence a replay from there derives nothing. One that *deviates* may derive anything: retention has
eaten R, nobody knows R, or the bundle that scored up to C is gone for good. None of that is told, and each series that
it was derived for has at C the incident of its snapshot, which is the one that subscribers know; it is judged from C on.
"""

from collections import Counter
from copy import copy

from stream.detect.definition import Definition
from stream.detect.incidents import Incident
from stream.detect.series_state import SeriesState, bare
from stream.kafka.place import Place
from stream.kafka.state_topic import Snapshot, layout_of
from stream.status import Notice, listed


class TakeOver:
    """From snapshots to states, at a place, by the definition that replays."""

    def __init__(self, place: Place, definition: Definition) -> None:
        self._place = place
        self._definition = definition
        self._layout = layout_of(definition)
        # Incidents as their snapshots have them; the detector goes on with the snapshot's own.
        self._told: dict[str, Incident] = {}
        # Series whose frames are of another layout.
        self.unfit: list[str] = []
        # Series that readings may be missing of, after their snapshot and before the replay.
        self.short: list[str] = []

    @property
    def deviates(self) -> bool:
        """Whether the replay may derive what was not told."""
        return self._place.cut or self._is_heir

    @property
    def _is_heir(self) -> bool:
        return self._place.bundle not in (None, self._definition.version)

    def told(self, series: str) -> Incident | None:
        """The incident that subscribers know of."""
        return self._told.get(series)

    def as_of(self, snapshot: Snapshot) -> int:
        """Offset up to which the replay passes over readings of the series: where its frames do not fit, all of them,
        as it would tell its past anew."""
        return snapshot.as_of if self._fits(snapshot) else self._place.committed - 1

    def state(self, snapshot: Snapshot) -> SeriesState | None:
        """What is restored of the series: all of it, or its clock and incident."""
        state = snapshot.state
        if state is None:
            return None
        if state.incident is not None:
            self._told[state.series] = copy(state.incident)
        if not self._fits(snapshot):
            self.unfit.append(state.series)
        elif snapshot.as_of < self._place.hole - 1:
            self.short.append(state.series)
        else:
            return state
        return bare(state, self._definition)

    def _fits(self, snapshot: Snapshot) -> bool:
        return snapshot.state is None or snapshot.layout == self._layout

    def counts(self) -> Counter[str]:
        """What the progress line tells of it: readings never scored, series that have lost their frames."""
        return Counter(lost=self._place.lost, history_lost=len(self.short) if self._place.cut else 0)

    def notices(self) -> list[Notice]:
        """What subscribers must know of it."""
        notices, place = self._place.notices(), self._place
        if place.cut:
            known = listed(self.short) or "those that no snapshot knows"
            message = f"readings before offset {place.hole} are gone or passed over; series that warm up: {known}"
            details: dict[str, str | int] = {"count": len(self.short), "oldest": place.hole}
            notices.append(Notice("data.history_lost", message, None, place.committed, details))
        if self._is_heir:
            notices.append(activated(str(place.bundle), self._definition.version, not self.unfit, place.committed))
        return notices


def activated(old: str, new: str, warm: bool, offset: int) -> Notice:
    """From `offset` on `new` scores; `warm`: with the frames that there are."""
    message = f"{old} -> {new}: {'frames kept' if warm else 'sensors or ticks differ, series warm up'}"
    details: dict[str, str | int] = {"from": old, "to": new, "frames": "kept" if warm else "dropped"}
    return Notice("detector.bundle_activated", message, None, offset, details)
