"""The journey of a history through the commands, and what must hold at every stop."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from stream.intake.decode import Decoder
from stream.serve.compose import fields
from stream.settings import load
from tests.histories.files import written
from tests.histories.kinds import Kind
from tests.histories.rows import Truth
from tests.stream.cli.starting.messages import sent_by
from tests.support.commands import Narrows, Result

# What is read and counted does not depend on how much a model learns.
TINY = ("--set", "train.max_epochs=1", "--set", "model.hidden=4", "--set", "model.window=4")
WRITTEN = ("--scores", "scores.parquet", "--accounts", "accounts.jsonl")
# Documented exit codes: data or broker, configuration, gate.
CODES = (0, 1, 2, 4)
# A recalibration that is refused has the reasons in its report.
REFUSED = 4
# Added to the seed of a history, it is the seed of newer rows.
NEWER = 10**6
DISPOSITIONS = ("used", "late", "duplicate", "ignored", "dead", "unconfirmed")
VERDICTS = ("scored", "warming", "degraded", "off")


def travel(kind: Kind, folder: Path, narrows: Narrows) -> str:
    """Takes the history through init, train, replay and evaluate; returns where it was refused, or "".

    Raises:
        AssertionError: a count that does not add up, a loss that nobody told of, or an unclear refusal.
    """
    data, truth = written(kind, folder / "history")
    started = narrows("init", "--from-file", str(data), "--force", "--producer", "produce.py")
    if _refused(started, kind):
        return f"init: {_reason(started)}"
    _nothing_is_left_out_in_silence(started, truth)
    assert narrows("config", "check").code == 0
    _the_producer_sends_readings()
    trained = narrows("train", "--data", str(data), "--force", *TINY)
    if _refused(trained, kind):
        return f"train: {_reason(trained)}"
    replayed = narrows("replay", "--data", str(data), "--json", *WRITTEN)
    assert not _refused(replayed, kind), replayed.err
    _counts_add_up(_counts(replayed.err), truth)
    _accounts_add_up(_counts(replayed.err), truth)
    _newer_rows_are_counted(kind, folder, narrows)
    if truth.label is not None:
        evaluated = narrows("evaluate", "--data", str(data), "--json")
        if _refused(evaluated, kind):
            return f"evaluate: {_reason(evaluated)}"
        _counts_add_up(evaluated.data["readings"], truth)
    return ""


def _newer_rows_are_counted(kind: Kind, folder: Path, narrows: Narrows) -> None:
    """Other rows of the same export, without labels: replayed and tried for a recalibration, or refused clearly."""
    newer, truth = written(replace(kind, seed=kind.seed + NEWER, labels="none"), folder / "newer")
    replayed = narrows("replay", "--data", str(newer), "--json", *WRITTEN)
    if not _refused(replayed, kind):
        _counts_add_up(_counts(replayed.err), truth)
        _accounts_add_up(_counts(replayed.err), truth)
    judged = narrows("recalibrate", "--data", str(newer), "--dry-run")
    if judged.code == REFUSED:
        assert judged.out, kind
    else:
        _refused(judged, kind)


def _refused(result: Result, kind: Kind) -> bool:
    """True where a command ended with an error; the error must be one clear line."""
    assert result.code in CODES, (kind, result)
    assert "Traceback" not in result.err, (kind, result.err)
    if result.code == 0:
        return False
    said = [line for line in result.err.splitlines() if line.startswith("narrows: ")]
    assert len(said) == 1, (kind, result.err)
    assert re.search(r"`[a-z_.]+|history|--set|--force", said[0]), (kind, said)
    return True


def _reason(result: Result) -> str:
    return result.err[result.err.index("narrows: ") :].strip()


def _nothing_is_left_out_in_silence(started: Result, truth: Truth) -> None:
    """The sensors are all there, and what holds numbers and is none is named."""
    text = Path("narrows.yaml").read_text(encoding="utf-8")
    found = list(yaml.safe_load(text)["input"]["sensors"])
    missing = [name for name in truth.sensors if name not in found and name not in started.out + started.err]
    assert not missing, (missing, found)
    assert set(found) <= set(truth.sensors), found
    for name in truth.named:
        assert name in started.out + started.err, name


def _the_producer_sends_readings() -> None:
    """The messages of the program that init writes are readings to the consumer with the configuration beside it."""
    settings = load(Path("narrows.yaml"), (), {})
    sent = sent_by(Path("produce.py").read_text(encoding="utf-8"))
    keys, values = [key.encode() for key, _ in sent], [value for _, value in sent]
    decoder = Decoder(fields(settings), tuple(settings.input.sensors), None)
    decoded = decoder.decode(values, keys, range(len(sent)), [-1] * len(sent))
    assert sent
    assert len(decoded.readings) == len(sent), (decoded.dead, values)


def _counts(err: str) -> dict[str, int]:
    """The counts that replay says on its line of alerts."""
    line = next(line for line in err.splitlines() if " alert events; " in line)
    return {name: int(count.replace(",", "")) for name, count in re.findall(r"([a-z_]+) ([\d,]+)", line.split("; ")[1])}


def _counts_add_up(counts: dict[str, int], truth: Truth) -> None:
    """Every row of the files is counted, with one end."""
    ends = {name: counts.get(name, 0) for name in DISPOSITIONS}
    assert counts["received"] == truth.rows == sum(ends.values()), (counts, truth)
    least, most = truth.dead
    assert least <= ends["dead"] <= most, (counts, truth)
    if "scored" in counts:
        frames = sum(counts.get(name, 0) for name in VERDICTS)
        assert frames == pq.read_metadata("scores.parquet").num_rows, counts


def _accounts_add_up(counts: dict[str, int], truth: Truth) -> None:
    """The accounts of the series have every reading and every frame; the series are those of the rows."""
    accounts = [json.loads(line) for line in Path("accounts.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in ("late", "duplicate", *VERDICTS):
        assert sum(one[name] for one in accounts) == counts.get(name, 0), (name, counts)
    assert sum(one["frames"] for one in accounts) == sum(counts.get(name, 0) for name in VERDICTS)
    readings = sum(one["readings"] for one in accounts)
    # Readings of sensors that were left out are ignored before they have a series.
    counted = truth.rows - counts.get("dead", 0) - counts.get("ignored", 0)
    assert counted <= readings <= truth.rows, (readings, counts)
    if len(truth.assets) > 1:
        assert {one["series"] for one in accounts} <= truth.assets.keys(), accounts
        assert all(one["readings"] <= truth.copies * truth.assets[one["series"]] for one in accounts)
