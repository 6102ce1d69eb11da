"""Memory that a history needs in training, foreseen from its number of rows, beside the memory that is free."""

from collections.abc import Iterator
from pathlib import Path

from stream.errors import DataError
from stream.intake.tables.files import count_rows, places
from stream.intake.tables.reader import Layout
from stream.messages import warn

# Bytes at the peak of training, measured on 1 to 4 million rows of 2 and of 8 sensors, beyond the process itself.
PROCESS, PER_ROW, PER_VALUE, PER_LONG_ROW = 300 << 20, 140, 46, 120
# Bytes to parse a byte of text, and of compressed text.
PER_TEXT, PER_PACKED = 3, 24
# A need above this share of the free memory is worth a warning.
NEAR = 0.7
LESS = (
    "give fewer sensors (`input.sensors` or `input.exclude`), a part of the files (--data with a glob), "
    "or a machine with more memory"
)


def foresee_text(path: Path) -> None:
    """Refuses files of text that cannot be parsed in the free memory: they are parsed whole, before any row is known.

    Raises:
        DataError: names the need and the free memory.
    """
    texts = [file for file in places(path) if not file.name.lower().endswith(".parquet")]
    need = sum(file.stat().st_size * (PER_PACKED if file.suffix == ".gz" else PER_TEXT) for file in texts)
    if texts:
        _compare(path, f"{need // PER_TEXT / 1e6:,.1f} MB of text", need)


def foresee(path: Path, layout: Layout) -> None:
    """Compares the memory that training on a history needs with what is free, before a row is read.

    Prints a warning on stderr where it is near.

    Raises:
        DataError: it is more; names both.
    """
    rows, sensors = count_rows(path), len(layout.sensors)
    if layout.format == "long":
        need = PROCESS + rows * (PER_LONG_ROW + PER_VALUE) + rows // max(sensors, 1) * PER_ROW
    else:
        need = PROCESS + rows * (PER_ROW + sensors * PER_VALUE)
    _compare(path, f"{rows:,} rows of {sensors} sensors", need)


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take: of the machine, and of its control groups.

    Args:
        root: the folder that holds `proc` and `sys`.

    Returns:
        The least of them; None where the system tells none.
    """
    machine = _numbers(root / "proc/meminfo")
    found = [1024 * (machine["MemAvailable"] + machine.get("SwapFree", 0))] if "MemAvailable" in machine else []
    for folder in _control_groups(root):
        for limit, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None:
                # Pages of files count as used, and are given up when memory is short.
                found.append(most - used + _numbers(folder / "memory.stat").get("inactive_file", 0))
    return min(found, default=None)


def _compare(path: Path, what: str, need: int) -> None:
    free = free_memory()
    if free is None or need <= NEAR * free:
        return
    seen = f"{path}: {what} need about {_gigabytes(need)} of memory, and {_gigabytes(free)} are free"
    if need > free:
        raise DataError(f"{seen}, enough for about {max(free, 0) / need:.0%} of it; {LESS}")
    warn(f"{seen}: near; if it fails, {LESS}")


def _gigabytes(size: int) -> str:
    return f"{max(size, 0) / 1e9:.2g} GB"


def _control_groups(root: Path) -> Iterator[Path]:
    """Folders of the control groups of this process, with those above them; a container sees its own as the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            base = root / "sys/fs/cgroup" / controllers
            folder = base / name.lstrip("/")
            yield from (one for one in (folder, *folder.parents) if one.is_relative_to(base) and one.is_dir())


def _numbers(file: Path) -> dict[str, int]:
    """The numbers in a file of lines such as `MemAvailable: 12 kB` or `inactive_file 12`."""
    try:
        words = [line.replace(":", " ").split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdigit()}


def _number(file: Path) -> int | None:
    try:
        first = file.read_text().split()[:1]
    except OSError:
        return None
    return int(first[0]) if first and first[0].isdigit() else None
