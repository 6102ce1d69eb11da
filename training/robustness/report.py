"""What the attacks achieved, as a table for a terminal, and as JSON: keys may be added, none is renamed."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from training import screen
from training.robustness.evasion import NORMS, SIZES, Evasion, Robustness
from training.robustness.poisoning import RUNS

NONE = "-"
TITLES = {"linf": "largest change of a value (L-infinity)", "l2": "root mean square of all changes (L2)"}


def facts(of: Robustness) -> dict[str, Any]:
    """Every figure; null where there is none."""
    found, alone, other = of.found
    return {
        "members": _members(of),
        "trained": of.field.trained,
        "discriminator": _has_discriminator(of),
        "history": of.field.why_not or None,
        "seed": of.asked.seed,
        "effort": asdict(of.asked.effort),
        "strips": {
            "looked_at": of.looked_at,
            "exceeding": of.exceeding,
            "attacked": of.strips,
            "found": found,
            "found_by_one": alone,
            "found_by_counterpart": other,
            "disagreeing": of.betrayed,
        },
        "normal_disagreeing": of.normal_betrayed,
        "usual_disagreement": of.field.ensemble.definition.usual_disagreement,
        "evasion": [
            {
                "knows": one.knows,
                "norm": one.budget.norm,
                "budget": one.budget.size,
                "one": one.alone,
                "ensemble": one.ensemble,
                "ratio": one.ratio,
                "betrayed": one.betrayed,
                "counterpart": one.counterpart,
            }
            for one in of.evasions
        ],
        "playback": [asdict(one) for one in of.playbacks],
        "drift": [asdict(one) for one in of.drifts],
        "poisoning": [asdict(one) for one in of.poisonings],
        "seconds": round(of.seconds, 1),
    }


def show(of: Robustness) -> None:
    """Prints it on stdout."""
    screen.show(_sentences(of), _tables(of))


def _members(of: Robustness) -> int:
    return of.field.ensemble.definition.spec.members


def _has_discriminator(of: Robustness) -> bool:
    return of.field.ensemble.definition.spec.discriminator > 0


def _sentences(of: Robustness) -> Iterable[str]:
    members, (found, alone, other) = _members(of), of.found
    if of.field.trained:
        yield f"the bundle has one member: an ensemble of {members} was trained, by its settings, to compare with"
    if _has_discriminator(of):
        counterpart = "the same members without their discriminator"
    else:
        counterpart = "the same members with a discriminator, trained to compare with"
    yield f"counterpart: {counterpart}; its threshold keeps the same promise"
    if of.field.why_not:
        yield f"surrogates and thresholds come from {of.field.why_not}"
    yield (
        f"{of.strips} strips attacked, of {of.exceeding} that a detector finds among {of.looked_at} of labelled "
        f"events; K = {members} finds {found} of them, one member {alone:.1f} on the average, the counterpart {other}"
    )
    yield (
        f"budgets in standard deviations, within what sensors can show; {of.asked.effort.starts} starts of "
        f"{of.asked.effort.steps} steps, seed {of.asked.seed}; {of.seconds:.0f} s"
    )
    yield (
        "betrayed: members disagree more than on 99 of 100 held-out normal frames; untouched, so they do on "
        f"{_share(of.betrayed)} of the strips that are found, and on {_share(of.normal_betrayed)} outside of events"
    )


def _tables(of: Robustness) -> Iterable[Table]:
    for norm in NORMS:
        table = _table(
            f"evasion rate in %, K = 1 / K = {_members(of)} / counterpart (betrayed), by {TITLES[norm]}",
            ("the attacker knows", *(f"{size:g}" for size in SIZES)),
        )
        rows: dict[str, list[str]] = {}
        for one in of.evasions:
            if one.budget.norm == norm:
                rows.setdefault(one.knows, []).append(_rates(one))
        for knows, rates in rows.items():
            table.add_row(knows, *rates)
        yield table
    table = _table("sensors that play back recorded normal data", ("sensors", "evaded", "betrayed"))
    for played in of.playbacks:
        table.add_row(f"{played.sensors}", _share(played.evaded), _share(played.betrayed))
    yield table
    table = _table(
        "a sensor that drifts away, in standard deviations", ("per frame", "noticed", "at, median", "shown up to")
    )
    for drift in of.drifts:
        reached = NONE if drift.reached is None else f"{drift.reached:.2g}"
        table.add_row(f"{drift.speed:g}", f"{drift.noticed} of {drift.sensors}", reached, f"{drift.furthest:.2g}")
    yield table
    yield _poisonings(of)


def _poisonings(of: Robustness) -> Table:
    table = _table(
        f"recalibration poisoned {RUNS} times: factor of the threshold in each run",
        ("who knows the threshold", "of the time", "factors", "in the end"),
    )
    for one in of.poisonings:
        factors = " ".join("refused" if factor is None else f"{factor:.3g}" for factor in one.factors)
        table.add_row(one.how, f"{one.share:.0%}", factors, f"{one.threshold:.3g}")
    return table


def _rates(one: Evasion) -> str:
    rates = "/".join(_percent(rate) for rate in (one.alone, one.ensemble, one.counterpart))
    return f"{rates} ({_percent(one.betrayed)})"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100.0 * value:.0f}"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _table(title: str, names: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left")
    return table
