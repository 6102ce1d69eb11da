"""Severity: the peak scores that are so many times rarer than the threshold on normal data.

A multiple of the threshold says little: where normal levels have a heavy tail, five times the threshold is reached
now and then; where the tail is short, it never is.
"""

from dataclasses import replace
from itertools import accumulate

import msgspec

from stream.detect.policy import Rules
from stream.errors import DataError
from stream.registry.manifest_facts import SeverityFacts
from training.calibration.calibrate import Calibration
from training.calibration.levels import Levels
from training.calibration.quantile import normal_tails

Three = tuple[float, float, float]
# Least ratio of two edges, and of the first one and the threshold. Scores are squared deviations: this is a fifth more
# of a deviation. Short tails would give edges that nobody can tell apart.
LEAST_STEP = 1.5
# Excursions expected above a q beyond the end of a short tail.
NEVER = 1e-200


def with_severity(
    levels: Levels, calibration: Calibration, rules: Rules, rarity: Three | None, seed: int
) -> tuple[Calibration, Rules]:
    """The calibration with the facts on severity, and the rules with the edges.

    Args:
        levels: of the calibrate part, or as a bundle stores them: those that the threshold was computed from.
        rarity: how many times rarer than the threshold each edge is. None: the edges of `rules` stay.
    """
    severity = _severity(levels, calibration, rules.severity_edges, rarity, seed)
    return replace(calibration, severity=severity), msgspec.structs.replace(rules, severity_edges=severity.edges)


def _severity(levels: Levels, calibration: Calibration, edges: Three, rarity: Three | None, seed: int) -> SeverityFacts:
    """Facts on severity; the edges are `edges` where the levels are too few for a tail."""
    q = calibration.table.q
    try:
        tails = normal_tails(levels, calibration.ratio, levels.in_block, seed)
    except DataError:
        return SeverityFacts(edges)

    def expected(score: float) -> float:
        """Excursions above a score, in data of this size."""
        return float(tails.each_expected(max(q * score, tails.threshold)).mean())

    if rarity is not None:
        often = expected(1.0)
        wanted = (tails.exceeded_by(max(often / times, NEVER)) / q for times in rarity)
        _, *found = accumulate(wanted, lambda below, edge: max(edge, LEAST_STEP * below), initial=1.0)
        edges = (found[0], found[1], found[2])
    medium, high, critical = (levels.rate * expected(edge) / levels.weeks for edge in edges)
    return SeverityFacts(edges, rarity, (medium, high, critical))
