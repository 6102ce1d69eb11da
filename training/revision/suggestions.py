"""Suggests changes that would have prevented alerts judged false, and lost no alert that was confirmed.

Nothing is changed here: a suggestion is a command line with its effect. The effect is estimated from the peaks that the
alerts carry. Only a replay shows what a bundle makes of the readings.
"""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from stream.detect.incidents.veto import Veto
from stream.detect.policy import SensorRule
from stream.errors import BundleError, DataError
from stream.events.incident_view import IncidentView
from stream.events.people.feedback import Judgements
from stream.registry.bundle import load
from stream.registry.manifest import Manifest, read_manifest
from stream.registry.registry import Registry
from stream.settings.detection import ThresholdSettings
from training.calibration.calibrate import PROMISES
from training.revision.child import promise_of, threshold_settings, thresholds_for
from training.vetting.sentinels import yaml_key

# Fewer confirmed or false alerts of a series say little about its next ones.
LEAST_JUDGED = 5
HALVINGS = 6
# A change prevents an alert.
Prevents = Callable[[IncidentView], bool]


class Effect(msgspec.Struct, frozen=True):
    """Alerts by verdict, and how many of them a change would have prevented or kept."""

    false: int
    false_gone: int
    confirmed: int
    confirmed_kept: int
    unjudged_gone: int


class Suggestion(msgspec.Struct, frozen=True):
    """A change of the configuration, and its effect on the alerts of one series and on all alerts.

    Attributes:
        what: the change in words.
        command: the command line that makes it.
    """

    series: str
    what: str
    command: str
    of_series: Effect
    of_all: Effect


class SuggestionReport(msgspec.Struct, frozen=True):
    """Suggestions, and notes on alerts that could not be used."""

    proposals: tuple[Suggestion, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    what: str
    command: str
    prevents: Prevents


def suggestions_report(
    judgements: Judgements, registry: Path | str, detector: str, reference: str, given: Sequence[str] = ()
) -> SuggestionReport:
    """Suggestions for the alerts of one bundle, with notes on alerts that could not be used.

    Args:
        reference: a version or an alias.
        given: options of the command line that name configuration and registry.
    """
    notes: list[str] = []
    suggestions: list[Suggestion] = []
    try:
        folder = Registry(registry).folder(detector, reference)
        manifest = read_manifest(folder)
        others = sum(alert.model_version != manifest.version for alert in judgements.alerts.values())
        if others:
            notes.append(f"{others} alerts are not of {manifest.version}; what is proposed does not count them")
        suggestions = suggest(judgements, manifest, lambda: list(higher_thresholds(folder, manifest)), given)
    except BundleError as fault:
        notes.append(f"nothing is proposed: {fault}")
    return SuggestionReport(tuple(suggestions), tuple(notes))


def suggest(
    judgements: Judgements,
    manifest: Manifest,
    thresholds: Callable[[], Sequence[tuple[str, float]]],
    given: Sequence[str] = (),
) -> list[Suggestion]:
    """Suggests at most a rule and a threshold for each series with enough confirmed or false alerts of this bundle.

    A suggestion loses no confirmed alert of any series. Of several, the one that prevents the most false alerts of the
    series is taken, and of equal ones the smallest change.

    Args:
        thresholds: computes `higher_thresholds`; called only where it is needed.
        given: options of the command line that name configuration and registry.
    """
    alerts = [alert for alert in judgements.alerts.values() if alert.model_version == manifest.version]
    suggestions: list[Suggestion] = []
    raised: list[_Candidate] | None = None
    for series in sorted({alert.series for alert in alerts}):
        own = [alert for alert in alerts if alert.series == series]
        verdicts = [judgements.verdict(alert) for alert in own]
        false = [alert for alert, verdict in zip(own, verdicts, strict=True) if verdict == "false"]
        if not false or len(false) + verdicts.count("confirmed") < LEAST_JUDGED:
            continue
        if raised is None:
            raised = list(_thresholds(thresholds(), manifest, given))
        for candidates in (list(_rules(false, manifest, given)), raised):
            suggestions += _best(series, candidates, judgements, alerts, own)
    return suggestions


def _best(
    series: str,
    candidates: Sequence[_Candidate],
    judgements: Judgements,
    alerts: list[IncidentView],
    own: list[IncidentView],
) -> list[Suggestion]:
    """The candidate that prevents the most false alerts of the series and loses no confirmed one, if any."""
    harmless = (
        Suggestion(series, one.what, one.command, _effect(own, judgements, one.prevents), everywhere)
        for one in candidates
        if (everywhere := _effect(alerts, judgements, one.prevents)).confirmed_kept == everywhere.confirmed
    )
    good = [suggestion for suggestion in harmless if suggestion.of_series.false_gone]
    return [max(good, key=lambda suggestion: suggestion.of_series.false_gone)] if good else []


def _effect(alerts: Sequence[IncidentView], judgements: Judgements, prevents: Prevents) -> Effect:
    by_verdict: dict[str | None, list[bool]] = {"false": [], "confirmed": [], None: [], "maintenance": []}
    for alert in alerts:
        by_verdict[judgements.verdict(alert)].append(prevents(alert))
    false, confirmed = by_verdict["false"], by_verdict["confirmed"]
    return Effect(len(false), sum(false), len(confirmed), confirmed.count(False), sum(by_verdict[None]))


def _thresholds(higher: Sequence[tuple[str, float]], manifest: Manifest, given: Sequence[str]) -> Iterator[_Candidate]:
    """Candidates with higher thresholds, the lowest first."""
    for setting, factor in higher:
        reason = "by feedback on alerts"
        command = ["narrows", "models", "amend", manifest.version, *given, "--set", setting, "--reason", reason]
        yield _Candidate(
            f"a threshold {factor:.3g} times as high ({setting})",
            shlex.join(command),
            _reached(factor),
        )


def _rules(false: Sequence[IncidentView], manifest: Manifest, given: Sequence[str]) -> Iterator[_Candidate]:
    """Candidate rules for the sensor that led most false alerts: one direction, or a least deviation, ascending."""
    leaders = Counter(alert.sensors[0].name for alert in false if alert.cause == "model" and alert.sensors)
    if not leaders:
        return
    ((sensor, _),) = leaders.most_common(1)
    existing = {rule.sensor: rule for rule in manifest.rules.sensors}
    off = (
        abs(share.observed - share.expected)
        for alert in false
        for share in alert.sensors
        if share.name == sensor and share.observed is not None and not share.outside
    )
    changes: list[dict[str, str | float]] = [{"direction": "above"}, {"direction": "below"}]
    changes += [{"min_absolute": size} for size in sorted({_just_above(deviation) for deviation in off})]
    for change in changes:
        rule = msgspec.structs.replace(existing.get(sensor, SensorRule.permissive(sensor)), **change)
        words = ", ".join(f"{name}: {value}" for name, value in change.items())
        setting = f"rules.sensors={{{yaml_key(sensor)}: {{{words}}}}}"
        data = str(manifest.data.path or "HISTORY")
        command = shlex.join(["narrows", "train", "--data", data, *given, "--set", setting])
        veto = Veto(tuple({**existing, sensor: rule}.values()), manifest.sensors)
        yield _Candidate(f"{sensor} {words}", command, _vetoed(veto, manifest.sensors))


def _reached(factor: float) -> Prevents:
    """A threshold prevents an alert of the model whose peak it is not below."""

    def prevents(alert: IncidentView) -> bool:
        return alert.cause == "model" and alert.peak_score <= factor

    return prevents


def _vetoed(veto: Veto, sensors: tuple[str, ...]) -> Prevents:
    """Rules prevent an alert of the model if they veto its peak."""

    def prevents(alert: IncidentView) -> bool:
        if alert.cause != "model" or not alert.sensors:
            return False
        share, observed, expected = np.zeros((len(sensors), 1)), *np.full((2, len(sensors), 1), np.nan)
        for one in alert.sensors:
            if one.name in sensors and not one.outside:
                row = sensors.index(one.name)
                share[row], expected[row] = one.share, one.expected
                observed[row] = np.nan if one.observed is None else one.observed
        return bool(veto.vetoed(share, observed, expected)[0])

    return prevents


def _just_above(size: float) -> float:
    """The next number above with three digits."""
    if size <= 0:
        return 1e-9
    unit = 10.0 ** (math.floor(math.log10(size)) - 2)
    return float(f"{(math.floor(size / unit) + 1) * unit:.6g}")


def higher_thresholds(folder: Path, manifest: Manifest) -> Iterator[tuple[str, float]]:
    """Computes settings for `models amend` and the factor by which each raises the threshold, ascending.

    Each setting halves what the one before allows: alerts per week, or the share of levels above the percentile.

    Raises:
        BundleError: the bundle was altered, or its manifest does not say what its threshold rests on.
    """
    promise = promise_of(manifest, in_force=True)
    _, definition = load(folder)
    before, highest = definition.thresholds, 1.0
    for value in _stricter(promise):
        options = threshold_settings(promise.method, value)
        try:
            _, calibration, _ = thresholds_for(folder, manifest, definition, manifest.rules, options)
        except DataError:
            return  # the levels support no higher threshold
        # Where thresholds learn, these of some series rise by more: no confirmed alert of any may be lost.
        factor = float((calibration.table.scale / before.scale).max()) * calibration.table.q / before.q
        if factor > highest:
            highest = factor
            yield f"threshold.{PROMISES[promise.method]}={value:g}", factor


def _stricter(promise: ThresholdSettings) -> Iterator[float]:
    """Promises that each halve what may exceed the threshold."""
    for halved in range(1, HALVINGS + 1):
        if promise.method == "budget":
            yield float(f"{promise.alerts_per_week / 2**halved:.3g}")
        else:
            yield float(f"{100.0 - (100.0 - promise.percentile) / 2**halved:.6g}")
