"""The kinds of history that are drawn: one choice each of shape, types, times, order, files, names, ids and labels."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Kind:
    """One drawn history.

    Attributes:
        seed: of everything else about it.
        long: one sensor a row.
        series, sensors: their numbers.
        rows: of each series.
        step_s: seconds between the rows of a series.
        gaps: stretches without rows. nulls: share of values that are missing.
        sentinels: rows of one sensor that hold -9999.
        untimed: rows whose time is null.
        twice: rows that are there twice.
        types: of the sensors, in turn.
        trouble: one more thing that is odd; see `troubles`.
    """

    seed: int
    long: bool
    series: int
    sensors: int
    rows: int
    step_s: int
    gaps: int
    nulls: float
    sentinels: int
    untimed: int
    twice: int
    times: str
    order: str
    files: str
    ids: str
    labels: str
    names: str
    extra: str
    types: tuple[str, ...]
    trouble: str

    def __str__(self) -> str:
        return ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))


# Share of histories that have a trouble.
TROUBLED = 0.5
TROUBLES = (
    *("late_sensor", "dead_sensor", "stuck_sensor", "copied_sensor", "infinite", "short_asset", "slow_asset"),
    *("unnamed", "old_times", "tiny", "empty", "exported_twice", "nested", "labels_null", "odd_columns"),
)
TYPES = ("float64", "float32", "int64", "int16", "bool", "decimal", "dictionary", "nullable", "float16", "uint64")


def drawn(seed: int) -> Kind:
    """The history of a seed."""
    random = np.random.default_rng(seed)

    def one(*choices: str) -> str:
        return str(random.choice(choices))

    long = bool(random.random() < 0.25)
    ids = one("text", "text", "integers", "none", "markup", "hostile")
    files = one("one", "one", "per_part", "months", "lacks_column", "empty_part", "csv", "folders")
    if files == "folders" and ids == "none":
        files = "one"
    times = one(
        *("aware", "aware", "naive", "iso", "offset", "epoch_s", "float_s", "epoch_ms", "epoch_us", "epoch_ns"),
        *("excel", "filetime", "digits", "day_first", "split", "date_ints"),
    )
    trouble = one("none", *TROUBLES) if random.random() < TROUBLED else "none"
    names = one("plain", "plain", "brackets", "dots", "unicode", "markup", "hostile")
    if files == "csv":  # there, the text null is no name, and a line ends in a name
        ids, names = ("text" if ids == "hostile" else ids), ("dots" if names == "hostile" else names)
    if files == "csv" and trouble in ("exported_twice", "nested", "odd_columns"):
        trouble = "none"  # a CSV cannot hold it
    if files == "folders" and trouble == "unnamed":
        trouble = "none"
    labels = one("none", "none", "none", "integers", "bools", "text", "minus_one")
    return Kind(
        seed=seed,
        long=long,
        series=1 if ids == "none" else int(random.integers(1, 5)),
        sensors=int(random.integers(1, 6)),
        rows=int(random.integers(500, 1100)),
        step_s=86_400 if times == "date_ints" else int(random.choice([1, 5, 60, 900])),
        gaps=int(random.integers(0, 3)),
        nulls=float(random.choice([0.0, 0.0, 0.01, 0.1])),
        sentinels=int(random.choice([0, 0, 0, 12])),
        untimed=int(random.choice([0, 0, 3])),
        twice=int(random.choice([0, 0, 5])),
        times=times,
        order=one("ascending", "ascending", "descending", "shuffled", "by_series", "by_sensor"),
        files=files,
        ids=ids,
        labels="none" if long else labels,
        names=names,
        extra="none" if long else one("none", "text", "text_numbers", "counter", "constant"),
        types=("float64",) if long else tuple(one(*TYPES) for _ in range(5)),
        trouble=trouble,
    )
