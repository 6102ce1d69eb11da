"""Dead letters for readings that were decoded, and that the state of their series or its partition refuses."""

from bisect import bisect_left

import numpy as np

from stream.detect.outcome import Outcome
from stream.events.record import rfc3339
from stream.intake.columns import Dead, Disposition, Readings, Reason
from stream.kafka.records import Records


def dead_reading(readings: Readings, row: int, records: Records, reason: Reason, detail: str) -> Dead:
    """The dead letter of one reading, with the key and the bytes of its message, which is among `records`."""
    offset = int(readings.position[row])
    at = bisect_left(records.offsets, offset)
    return Dead(offset, -1, reason, detail, records.keys[at], records.values[at])


def dead_late(readings: Readings, outcome: Outcome, records: Records) -> tuple[Dead, ...]:
    """Dead letters for the late ones among the readings of `outcome`.

    The detail names no newer reading: where a batch is cut must make no difference to a letter.
    """
    return tuple(
        dead_reading(
            readings, row, records, Reason.LATE,
            f"{rfc3339(int(readings.time[row]))} of series {readings.names[readings.series[row]]!r} came after newer "
            "readings; send a backlog first, or score it as a file with `narrows replay`",
        )
        for row in np.flatnonzero(outcome.disposition == Disposition.LATE).tolist()
    )  # fmt: skip
