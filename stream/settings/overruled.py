"""Settings of the configuration that a bundle overrules: it was trained, or amended, with other values.

A section of the settings and its facts in the manifest have the same names, durations with `_ns` behind. What is stored
in another form has a line in `APART`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stream.registry.manifest import Manifest
from stream.settings.quantities import format_duration
from stream.settings.section import Section
from stream.settings.tree import Settings

_ABSENT = object()
# The facts of a manifest, by the section of the settings that they come from.
_FACTS = {"frames": "policy", "rules": "rules", "model": "model", "threshold": "threshold"}
# Sensors or spans that a message shows at most.
_SHOWN = 200


@dataclass(frozen=True)
class Overruled:
    """A setting that is not in force: its path, its value in the configuration, and the one of the bundle."""

    path: str
    configured: str
    in_force: str
    amendable: bool

    @property
    def remedy(self) -> str:
        """The way to bring the configured value into force."""
        if self.amendable:
            return f"`narrows models amend --set {self.path}=...` changes it without training"
        if self.path == "frames.maintenance":
            return "`narrows mute` takes a series out of service without training"
        return f"train again, or set `{self.path}` to what the bundle has"

    def __str__(self) -> str:
        return f"{self.path}: {self.configured} is not in force, the bundle has {self.in_force}; {self.remedy}"


Pair = tuple[object, object]


def _rules(settings: Settings, manifest: Manifest) -> Pair:
    valid = {rule.sensor: (rule.low, rule.high) for rule in manifest.policy.valid}
    veto = {rule.sensor: (rule.direction, rule.min_absolute, rule.min_relative) for rule in manifest.rules.sensors}
    own = settings.rules.sensors
    ours = {name: ((rule.direction, rule.min_absolute, rule.min_relative), rule.valid) for name, rule in own.items()}
    none = (("both", 0.0, 0.0), None)
    theirs = {name: (veto.get(name, none[0]), valid.get(name)) for name in {*veto, *valid}}
    names = sorted({*ours, *theirs})
    return [(name, ours.get(name, none)) for name in names], [(name, theirs.get(name, none)) for name in names]


def _maintenance(settings: Settings, manifest: Manifest) -> Pair:
    ours, theirs = settings.frames.maintenance, manifest.policy.maintenance
    return [(s.series, s.start, s.end) for s in ours], [(s.series, s.start_ns, s.end_ns) for s in theirs]


def _sentinels(settings: Settings, manifest: Manifest) -> Pair:
    return settings.frames.sentinels, {one.sensor: one.values for one in manifest.policy.sentinels}


def _max_missing(settings: Settings, manifest: Manifest) -> Pair:
    most = settings.frames.max_missing
    return None if most is None else min(most, len(manifest.sensors) - 1), manifest.policy.max_missing


def _resample(settings: Settings, manifest: Manifest) -> Pair:
    # Records of one sensor each are always resampled.
    free = settings.frames.resample == "none" and settings.input.wire.format == "long"
    return None if free else settings.frames.resample, manifest.policy.resample


def _promise(settings: Settings, manifest: Manifest) -> Pair:
    own = settings.threshold.alerts_per_week
    return own if manifest.threshold.method == "budget" else None, manifest.threshold.promised


def _percentile(settings: Settings, manifest: Manifest) -> Pair:
    own = settings.threshold.percentile
    return own if manifest.threshold.method == "percentile" else None, manifest.threshold.promised


def _learn(settings: Settings, manifest: Manifest) -> Pair:
    return None if settings.threshold.learn else False, manifest.learning is not None


def _discriminator(settings: Settings, manifest: Manifest) -> Pair:
    return settings.model.discriminator, manifest.model.discriminator > 0


# The value in the configuration, None where none is asked for, and the one in force.
APART: Mapping[str, Callable[[Settings, Manifest], Pair]] = {
    "frames.maintenance": _maintenance,
    "frames.sentinels": _sentinels,
    "frames.max_missing": _max_missing,
    "frames.resample": _resample,
    "model.discriminator": _discriminator,
    "rules.sensors": _rules,
    "threshold.alerts_per_week": _promise,
    "threshold.percentile": _percentile,
    "threshold.learn": _learn,
}
# Not used by every kind of model, which then stores 0.
_KIND_ONLY = ("model.hidden", "model.dropout", "model.noise")


def overruled(settings: Settings, manifest: Manifest) -> tuple[Overruled, ...]:
    """Settings that somebody has set, and that the bundle has otherwise; none of those left open."""
    return tuple(_differences(settings, manifest))


def _differences(settings: Settings, manifest: Manifest) -> Iterator[Overruled]:
    for name, facts in _FACTS.items():
        section: Section = getattr(settings, name)
        for field in sorted(section.model_fields_set):
            path = f"{name}.{field}"
            configured, in_force = _pair(path, settings, manifest, getattr(manifest, facts))
            unused = path in _KIND_ONLY and not in_force
            if configured is None or in_force is _ABSENT or in_force is None or unused or configured == in_force:
                continue
            is_ns = hasattr(getattr(manifest, facts), f"{field}_ns")
            yield Overruled(path, _text(configured, is_ns), _text(in_force, is_ns), field in section.amendable)


def _pair(path: str, settings: Settings, manifest: Manifest, facts: object) -> Pair:
    if path in APART:
        return APART[path](settings, manifest)
    section, _, field = path.partition(".")
    in_force = getattr(facts, field, getattr(facts, f"{field}_ns", _ABSENT))
    return getattr(getattr(settings, section), field), in_force


def _text(value: object, is_ns: bool) -> str:
    text = format_duration(value) if is_ns and isinstance(value, int) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
