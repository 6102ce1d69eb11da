"""Evasion rates as sentences and tables for a terminal."""

from collections.abc import Iterable

from rich.table import Table

from stream.terminal import framed_table
from stream.terminal import show as print_report
from training.robustness.evasion import NORMS, SIZES, Evasion, Robustness

NONE = "-"
TITLES = {"linf": "largest change of a value (L-infinity)", "l2": "root mean square of all changes (L2)"}


def show(of: Robustness) -> None:
    """Prints sentences and tables on stdout."""
    print_report(_sentences(of), _tables(of))


def percent(value: float | None) -> str:
    """A share in percent, or `NONE`."""
    return NONE if value is None else f"{value:.0%}"


def _sentences(of: Robustness) -> Iterable[str]:
    spec, (found, alone, other) = of.setup.ensemble.definition.spec, of.found
    if of.setup.trained:
        yield f"the bundle has one member: an ensemble of {spec.members} was trained, by its settings, to compare with"
    if spec.discriminator:
        counterpart = "the same members without their discriminator"
    else:
        counterpart = "the same members with a discriminator, trained to compare with"
    yield f"counterpart: {counterpart}; its threshold keeps the same promise"
    if of.setup.other_history:
        yield f"surrogates and thresholds come from {of.setup.other_history}"
    yield (
        f"{of.segments} strips attacked, of {of.exceeding} that a detector finds among {of.looked_at} of labelled "
        f"events; K = {spec.members} finds {found} of them, one member {alone:.1f} on the average, "
        f"the counterpart {other}"
    )
    yield (
        f"budgets in standard deviations, within what sensors can show; {of.options.effort.starts} starts of "
        f"{of.options.effort.steps} steps, seed {of.options.seed}; {of.seconds:.0f} s"
    )
    yield (
        "betrayed: members disagree more than on 99 of 100 held-out normal frames; untouched, so they do on "
        f"{percent(of.flagged)} of the strips that are found, and on {percent(of.normal_flagged)} outside of events"
    )


def _tables(of: Robustness) -> Iterable[Table]:
    members = of.setup.ensemble.definition.spec.members
    for norm in NORMS:
        table = framed_table(
            f"evasion rate in %, K = 1 / K = {members} / counterpart (betrayed), by {TITLES[norm]}",
            ("the attacker knows", *(f"{size:g}" for size in SIZES)),
        )
        rows: dict[str, list[str]] = {}
        for one in of.evasions:
            if one.norm == norm:
                rows.setdefault(one.knows, []).append(_rates(one))
        for knows, rates in rows.items():
            table.add_row(knows, *rates)
        yield table


def _rates(one: Evasion) -> str:
    rates = "/".join(_number(rate) for rate in (one.alone, one.ensemble, one.counterpart))
    return f"{rates} ({_number(one.flagged)})"


def _number(share: float | None) -> str:
    """A share in percent, without the sign."""
    return NONE if share is None else f"{100.0 * share:.0f}"
