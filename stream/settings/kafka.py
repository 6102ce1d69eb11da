"""The section `kafka`: broker, login, names of topics."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr

from stream.settings.section import Section

_SECRET = re.compile(r"password|passphrase|secret|token|credential|key\.pem|jaas|oauthbearer\.config", re.IGNORECASE)
MASK = "**********"

_COMMITS = "offsets are committed in the transaction that carries the alerts, never beside it"
_TRANSACTION = "without it an alert could be lost, repeated or out of order"
_ASSIGNMENT = "partitions are restored and dropped one by one, which needs the cooperative protocol"
REFUSED_OPTIONS = {
    "enable.auto.commit": _COMMITS,
    "auto.commit.enable": _COMMITS,
    "auto.commit.interval.ms": _COMMITS,
    "enable.auto.offset.store": _COMMITS,
    "auto.offset.reset": "committed offset and snapshots decide where to start; a reset would skip readings",
    "isolation.level": "aborted readings and snapshots must never be seen",
    "delivery.report.only.error": "recovery needs the offsets of the snapshots that were delivered",
    "enable.partition.eof": "a restore needs to know the end of a partition",
    "partition.assignment.strategy": _ASSIGNMENT,
    "group.id": "set kafka.group",
    "group.instance.id": "set kafka.instance",
    "transactional.id": "made from kafka.group and kafka.instance; set those",
    "transaction.timeout.ms": "set serve.transaction_timeout",
    "session.timeout.ms": "set serve.session_timeout",
    "enable.idempotence": _TRANSACTION,
    "enable.gapless.guarantee": _TRANSACTION,
    "acks": _TRANSACTION,
    "request.required.acks": _TRANSACTION,
    "max.in.flight": _TRANSACTION,
    "max.in.flight.requests.per.connection": _TRANSACTION,
    "retries": _TRANSACTION,
    "message.send.max.retries": _TRANSACTION,
    "bootstrap.servers": "set kafka.bootstrap",
    "metadata.broker.list": "set kafka.bootstrap",
    "security.protocol": "set kafka.security_protocol",
    "sasl.mechanism": "set kafka.sasl_mechanism",
    "sasl.mechanisms": "set kafka.sasl_mechanism",
    "sasl.username": "set kafka.username",
    "sasl.password": "set kafka.password",
    "ssl.ca.location": "set kafka.ca_file",
}


def is_secret(name: str) -> bool:
    """True where the value of an option of this name must never be printed."""
    return _SECRET.search(name) is not None


def _allowed(name: str) -> str:
    reason = REFUSED_OPTIONS.get(name.strip().lower())
    if reason is not None:
        raise ValueError(f"refused: {reason}")
    return name


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _masked(options: dict[str, str]) -> dict[str, str]:
    return {name: MASK if is_secret(name) else value for name, value in options.items()}


OptionName = Annotated[str, AfterValidator(_allowed)]
OptionValue = Annotated[str, BeforeValidator(_as_text)]
Options = Annotated[dict[OptionName, OptionValue], PlainSerializer(_masked, return_type=dict[str, str])]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


class KafkaSettings(Section):
    """Broker, login, names of topics."""

    acts = "run"

    bootstrap: str = Field(
        default="localhost:9092", min_length=1, description="First brokers to ask: host:port, host:port."
    )
    group: Name | None = Field(
        default=None,
        description="Consumer group; consumers of one group share the partitions. null: `narrows-<detector>`.",
    )
    instance: Name | None = Field(
        default=None,
        description="Identity of this process within the group, the same after a restart: it is back in about 2 s "
        "instead of after serve.session_timeout. Two processes must not share one. null: the host name.",
    )
    alerts: Topic = Field(default="narrows.alerts", description="Topic for incident events.")
    dead_letters: Topic | None = Field(
        default=None, description="Topic for messages that are not readings, with the reason. null: `<alerts>.dead`."
    )
    state: Topic | None = Field(
        default=None,
        description="Compacted topic of this detector's snapshots, as many partitions as input.topic. "
        "null: `<alerts>.state.<detector>`.",
    )
    status: Topic | None = Field(
        default=None,
        description="Topic for status events of the detector: bundles activated or refused, readings lost, and more. "
        "null: `<alerts>.status`.",
    )
    open_incidents: Topic | None = Field(
        default=None,
        description="Compacted topic of the open incidents: by alert_id the newest event, deleted once it is resolved. "
        "null: `<alerts>.open`.",
    )
    mutes: Topic | None = Field(
        default=None,
        description="Compacted topic of muted series, written by `narrows mute`. null: `<alerts>.mutes`.",
    )
    scores: Topic | None = Field(default=None, description="Topic for the verdict on every frame. null: not written.")
    feedback: Topic | None = Field(
        default=None,
        description="Topic for people's verdicts on alerts, written by `narrows feedback`. null: `<alerts>.feedback`.",
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        default="plaintext", description="Protocol of the connection to the broker."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER"] | None = Field(
        default=None, description="Login mechanism, with a sasl_* protocol. null: not set."
    )
    username: str | None = Field(default=None, description="SASL user. null: not set.")
    password: SecretStr | None = Field(
        default=None, description="SASL password, never printed; best given as NARROWS_KAFKA__PASSWORD. null: not set."
    )
    ca_file: str | None = Field(
        default=None, description="PEM file of the authority that signed the brokers. null: system's."
    )
    options: Options = Field(
        default_factory=dict,
        repr=False,
        description="Options passed to librdkafka unchanged; those that delivery depends on are refused with the "
        "reason.",
    )

    def connection(self) -> dict[str, str]:
        """Options of every client by librdkafka's names, secrets in clear. Hand them to a client, never to a log."""
        password = None if self.password is None else self.password.get_secret_value()
        named = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.username,
            "sasl.password": password,
            "ssl.ca.location": self.ca_file,
        }
        return {name: value for name, value in named.items() if value is not None} | self.options
