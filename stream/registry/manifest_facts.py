"""Facts in a manifest that people and tools read: of threshold, data and metrics. No score needs them.

A fact is None where an earlier version of narrows did not write it. Such a fact is left out of the file. Where null is
a value of its own, a missing fact is `UNSET`.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from stream.errors import GateError
from stream.messages import figure
from stream.registry.capacity_facts import CapacityFacts

Method = Literal["budget", "percentile"]
Verdict = Literal["passed", "refused", "not judged"]


DRIFT, ALARM = "drift", "time in alarm"


class Stretch(msgspec.Struct, frozen=True):
    """Frames of the history with high levels.

    Attributes:
        start, end: the first frame, and the end of the last, RFC 3339.
        sensor: has the largest part in the error of the highest frame; None: unknown.
    """

    series: str
    start: str
    end: str
    sensor: str | None


class ThresholdBasis(msgspec.Struct, frozen=True):
    """The few stretches of a history that set a threshold.

    Attributes:
        q, q_without: the threshold in scales, and what it would be without the stretches.
        stretches: their number; share: of the levels.
        first: the highest of them; said: all this in words; remedy: what to do about it.
    """

    q: float
    q_without: float
    stretches: int
    share: float
    first: tuple[Stretch, ...]
    said: str
    remedy: str


class SeverityFacts(msgspec.Struct, frozen=True):
    """The peak scores at which severities begin.

    Attributes:
        edges: for medium, high and critical; also in `rules`.
        rarity: how many times rarer than the threshold each is on normal data. None: the edges are as configured, or
            the levels are too few to tell.
        per_week: alerts per series and week that reach each edge on normal data, by the fitted tail; None: not known.
    """

    edges: tuple[float, float, float]
    rarity: tuple[float, float, float] | None = None
    per_week: tuple[float, float, float] | None = None

    @property
    def summary(self) -> str:
        """The edges, and how rare they are."""
        medium, high, critical = self.edges
        edges = f"medium from score {medium:.3g}, high {high:.3g}, critical {critical:.3g}"
        rarity = "" if self.rarity is None else " and ".join(f"{times:,.4g}" for times in self.rarity)
        return f"{edges}: {rarity.replace(' and ', ', ', 1)} times rarer than the threshold" if rarity else edges


class ThresholdFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """The threshold and the data it rests on.

    Attributes:
        q: the threshold in scales. In reports only: a manifest has it as `threshold_q`.
        promised: alerts per series and week, or the percentile, by `method`, as asked for.
        supported: the promise that q is for, in the same unit: as asked for, or a looser one that the data do support.
        likely: interval of 90 % of what q gives on data of this kind, in the same unit.
        q_point, q_high: the estimate of q, and the upper end of its interval.
        extrapolated: the data do not support the promise: q lies in a fitted tail, or `supported` is looser.
        weeks, weeks_needed: series-weeks of data, and as many as need no extrapolation.
        implied_per_week: alerts per series and week that the threshold gives on its own data.
        share_above: share of these frames above the threshold.
        blocks: independent samples.
        rate: how many times as often newer levels come near the threshold; 1 before any recalibration.
        set_by: the few stretches that set the threshold; None: the levels as a whole do.
        severity: the peak scores at which severities begin; None: an earlier version did not write it.
    """

    q: float | None = None
    method: Method | None = None
    promised: float | None = None
    supported: float | None = None
    likely: tuple[float, float] | None = None
    q_point: float | None = None
    q_high: float | None = None
    extrapolated: bool | None = None
    weeks: float | None = None
    weeks_needed: float | None = None
    implied_per_week: float | None = None
    share_above: float | None = None
    blocks: int | None = None
    rate: float | None = None
    set_by: ThresholdBasis | None = None
    severity: SeverityFacts | None = None

    @property
    def alerts_per_week(self) -> float | None:
        """Alerts per series and week that the bundle can promise: its budget, or what the percentile implies."""
        return self.kept if self.method == "budget" else self.implied_per_week

    @property
    def kept(self) -> float | None:
        """The promise in force: `supported`; in older manifests as asked for."""
        return self.promised if self.supported is None else self.supported

    @property
    def promise(self) -> str:
        """The promise in force in words, with its interval, and why it is not the one asked for where it is not."""
        if self.kept is None or self.promised is None:
            return ""
        kept = f"{figure(self.kept)} a week" if self.method == "budget" else f"percentile {self.kept:.6g}"
        likely = "" if self.likely is None else ", likely {} to {}".format(*map(figure, self.likely))
        looser = f", as the data are too short for {self.promised:g}" if self.kept != self.promised else ""
        return f"{kept}{likely}{looser}"


class FeedbackCount(msgspec.Struct, frozen=True):
    """Alerts that got one verdict, and how many of them lie in the history."""

    alerts: int
    in_history: int


class FeedbackFacts(msgspec.Struct, frozen=True):
    """Alerts by the verdict of people; `unknown` counts verdicts on alerts that are not known."""

    confirmed: FeedbackCount
    false: FeedbackCount
    maintenance: FeedbackCount
    unknown: int


class DataFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"start": "from", "end": "to"}):
    """The history that the model was trained on.

    Attributes:
        columns: why each column was chosen, by its role.
        start, end: event times, RFC 3339, UTC.
        fingerprint: SHA-256 of all readings.
        dispositions: readings by disposition.
        frames: frames by part, and those in no part by reason.
        vetting: a sentence for each doubtful sensor; `vetted_out`: these sensors were dropped.
        unwatched: sensors with too few values in the fit part, which the model does not watch, and why.
        still: sensors that are constant in the fit part of each series, and the moves that the model does not see.
        sampling: series or sensors that report at unlike steps, and what to set; None: their steps are alike.
        wild: values of each sensor that mean and scale leave out, as they are far from all others.
        doubts: what may be wrong with the layout of the history, one sentence each.
    """

    path: str | None = None
    columns: dict[str, str] | None = None
    readings: int | None = None
    series: int | None = None
    start: str | None = None
    end: str | None = None
    fingerprint: str | None = None
    dispositions: dict[str, int] = {}
    labelled: int | None = None
    frames: dict[str, int] = {}
    vetting: tuple[str, ...] | None = None
    vetted_out: bool | None = None
    unwatched: dict[str, str] = {}
    still: dict[str, str] = {}
    sampling: str | None = None
    wild: dict[str, int] = {}
    doubts: tuple[str, ...] = ()
    feedback: FeedbackFacts | None = None


class Criterion(msgspec.Struct, frozen=True, rename={"reason": "said"}):
    """One check of the gate.

    Attributes:
        measured, limit: a share or a count, in the unit that `reason` names; None where there is none.
        reason: what was seen, what was expected and, where it is refused, what to do.
    """

    name: str
    verdict: Verdict
    measured: int | float | None
    limit: int | float | None
    reason: str

    @property
    def over(self) -> bool:
        """More was measured than is let pass; only for criteria whose limit is the largest that passes."""
        return self.measured is not None and self.limit is not None and self.measured > self.limit


class MachineChange(msgspec.Struct, frozen=True):
    """A series whose levels are unusually high from some moment of the held-out parts on until their end.

    Attributes:
        since: event time of the first frame, RFC 3339.
        sensors: those whose values moved most, the first most; none where how they hang together changed.
        above, above_before: share of the frames above a threshold that does not go on learning, since and before.
        factor: median level since over that before.
        followed: a threshold that goes on learning follows these levels.
    """

    series: str
    since: str
    sensors: tuple[str, ...]
    above: float
    above_before: float
    factor: float
    followed: bool


class GateFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Verdict of the gate on a model, and the alerts of its threshold on the gate part.

    Attributes:
        levels, weeks: held-out levels of the gate part, and the series-weeks they cover.
        share_above, alerts_per_week: of these levels; null where there are none.
        changes: series whose machine changed within the held-out parts.
        judged: the version that was judged, where this one has only its weights; `note` says so.
    """

    levels: int | None = None
    weeks: float | None = None
    share_above: float | UnsetType | None = UNSET
    alerts_per_week: float | UnsetType | None = UNSET
    verdict: Verdict | None = None
    criteria: tuple[Criterion, ...] = ()
    changes: tuple[MachineChange, ...] = ()
    judged: str | None = None
    note: str | None = None

    @property
    def refused(self) -> bool:
        """The model may not go to production."""
        return self.verdict == "refused"

    @property
    def refusals(self) -> list[str]:
        """A line for each criterion that refused."""
        return [f"{one.name}: {one.reason}" for one in self.criteria if one.verdict == "refused"]

    @property
    def in_alarm(self) -> list[str]:
        """A line where the model is in alarm on its own newest data, though nothing refused it; and why, if known."""
        held = [one for one in self.criteria if one.verdict == "not judged" and one.over]
        over = any(one.name == ALARM for one in held)
        return [f"{one.name}: {one.reason}" for one in held if over and one.name in (ALARM, DRIFT)]

    def require(self, version: str, remedy: str) -> None:
        """Raises GateError where the gate refused `version`; `remedy` says what to do."""
        if self.refused:
            raise GateError(f"the gate refused {version}: {'; '.join(self.refusals)}; {remedy}")

    def forced(self, reason: str) -> str:
        """The entry for the registry's history where a refused version is let pass."""
        names = ", ".join(one.name for one in self.criteria if one.verdict == "refused")
        return f"forced past the gate ({names}){f': {reason}' if reason else ''}"


class MetricFacts(msgspec.Struct, frozen=True, omit_defaults=True, rename={"capacity": "strength"}):
    """Quality of a model.

    Attributes:
        fit_loss, stop_loss: of each member, on the fit part and on its held-out end.
        code_kl: nats of each dimension of the code, per member; empty where the model is not variational.
        discriminator_loss: of each member's discriminator, held out.
    """

    fit_loss: tuple[float | None, ...] | None = None
    stop_loss: tuple[float | None, ...] | None = None
    code_kl: tuple[tuple[float | None, ...], ...] | None = None
    discriminator_loss: tuple[float | None, ...] | None = None
    gate: GateFacts = GateFacts()
    capacity: CapacityFacts | None = None
