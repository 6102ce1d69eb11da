"""Judges how much of the history the detector scores: a series that is never scored raises no alert, whatever fails."""

from collections.abc import Sequence

from stream.events.account import SeriesAccount, unscored_share, warnings
from stream.registry.manifest_facts import Criterion, Verdict
from training.gate.criteria import not_judged

NAME = "coverage"
# Share of the series that may be never or hardly scored. A few spare or broken assets are usual in a fleet; one asset
# in ten unwatched, or one of two, is no fleet that is watched.
MOST_SERIES = 0.1
# Share of the frames that may have no score, off frames and warm-ups apart. Blind for half of the time is blind.
MOST_FRAMES = 0.5


def coverage_criterion(accounts: Sequence[SeriesAccount]) -> Criterion:
    """Refuses a model that cannot score a tenth of the series, or half of the frames, of its own history.

    A series that is too short for its first score does not count: it is scored as soon as it has sent enough. Neither
    does one that is always off, such as a spare machine: a history in which all are off is refused before.
    """
    judged = [one for one in accounts if not one.in_order]
    if not judged:
        return not_judged(NAME, "; ".join(warnings(accounts)) or "no series has a frame")
    blind = sum(one.blind for one in judged) / len(judged)
    unscored = unscored_share(judged)
    by_frames = blind <= MOST_SERIES and unscored > MOST_FRAMES
    measured, limit = (unscored, MOST_FRAMES) if by_frames else (blind, MOST_SERIES)
    text = (
        f"{sum(one.blind for one in judged):,} of {len(judged):,} series are never or hardly scored, and "
        f"{unscored:.1%} of the frames in operation have no score; {MOST_SERIES:.0%} and {MOST_FRAMES:.0%} are let pass"
    )
    verdict: Verdict = "refused" if measured > limit else "passed"
    named = "; ".join(warnings(judged if verdict == "refused" else accounts))
    return Criterion(NAME, verdict, measured, limit, f"{text}; {named}" if named else text)
