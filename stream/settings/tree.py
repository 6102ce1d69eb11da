"""The tree of all settings, and the names that follow from them."""

import socket
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream.settings.data import FrameSettings, InputSettings
from stream.settings.detection import (
    ModelSettings,
    RecalibrationSettings,
    RuleSettings,
    ThresholdSettings,
    TrainSettings,
)
from stream.settings.kafka import KafkaSettings
from stream.settings.section import Half
from stream.settings.serve import ServeSettings
from stream.storage.location import uri_of


def _place(where: str) -> str:
    uri_of(where)
    return where


Place = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_place),
    WithJsonSchema({"type": "string", "minLength": 1, "format": "path or URI"}),
]


class Topics(NamedTuple):
    """The names of all topics; `scores` is None where no verdicts are written. The consumer leaves `feedback` alone."""

    readings: str
    alerts: str
    dead_letters: str
    state: str
    status: str
    open_incidents: str
    mutes: str
    scores: str | None
    feedback: str


class Layer(PydanticBaseSettingsSource):
    """One layer of the configuration, already a tree."""

    def __init__(self, settings: type[BaseSettings], tree: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._tree = dict(tree)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Part of the interface; not used, since `__call__` returns the whole tree."""
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The whole tree of the layer."""
        return self._tree


class Settings(BaseSettings):
    """The configuration of both halves. `load` reads one; `Settings()` has the defaults and reads no environment."""

    acts: ClassVar[Half] = "both"
    acts_apart: ClassVar[dict[str, Half]] = {"bundle": "run"}

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    detector: str = Field(
        default="detector",
        pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$",
        description="Name of the detector: its folder in the registry, the namespace of its alert ids.",
    )
    registry: Place = Field(
        default="registry",
        description="Folder of the bundles, relative to the working directory, or URI: file://, s3://, gs://.",
    )
    bundle: str = Field(
        default="production",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$",
        description="Bundle to serve: production, candidate, or a version.",
    )
    input: InputSettings = Field(default_factory=InputSettings, description="Source and layout of readings.")
    frames: FrameSettings = Field(default_factory=FrameSettings, description="Rules by which readings become frames.")
    model: ModelSettings = Field(default_factory=ModelSettings, description="The shape of the autoencoder.")
    train: TrainSettings = Field(default_factory=TrainSettings, description="Fitting of the weights.")
    threshold: ThresholdSettings = Field(default_factory=ThresholdSettings, description="Promise of the threshold.")
    recalibrate: RecalibrationSettings = Field(
        default_factory=RecalibrationSettings, description="Limits of a recalibration."
    )
    rules: RuleSettings = Field(default_factory=RuleSettings, description="The life of an incident.")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Broker, login, topics.")
    serve: ServeSettings = Field(default_factory=ServeSettings, description="The running consumer.")

    @property
    def topics(self) -> Topics:
        """Names of all topics, with defaults for those that are not set."""
        alerts, dead, still_open = self.kafka.alerts, self.kafka.dead_letters, self.kafka.open_incidents
        state, status, feedback = self.kafka.state, self.kafka.status, self.kafka.feedback
        return Topics(
            readings=self.input.topic,
            alerts=alerts,
            dead_letters=f"{alerts}.dead" if dead is None else dead,
            state=f"{alerts}.state.{self.detector}" if state is None else state,
            status=f"{alerts}.status" if status is None else status,
            open_incidents=f"{alerts}.open" if still_open is None else still_open,
            mutes=f"{alerts}.mutes" if self.kafka.mutes is None else self.kafka.mutes,
            scores=self.kafka.scores,
            feedback=f"{alerts}.feedback" if feedback is None else feedback,
        )

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"narrows-{self.detector}" if self.kafka.group is None else self.kafka.group

    @property
    def instance(self) -> str:
        """Identity of this process within the group."""
        return socket.gethostname() if self.kafka.instance is None else self.kafka.instance

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        names = [name for name in self.topics if name is not None]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            uses = ", ".join(f"{use} = {name}" for use, name in self.topics._asdict().items() if name in twice)
            raise ValueError(f"expected a topic for each use, got one for several: {uses}")
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: object, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes the layers that are passed in, the strongest first, and nothing else."""
        given = dict(init_settings())
        layers = given.pop("layers", ())
        return tuple(Layer(settings_cls, tree) for tree in (given, *layers))
