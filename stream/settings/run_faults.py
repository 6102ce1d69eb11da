"""Faults of the configuration that only matter where narrows talks to Kafka: logins, files, paths of fields.

`narrows train` on a machine without the certificates must go on, so the types of the settings do not refuse these.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from stream.errors import ConfigError
from stream.intake.field_paths import checked
from stream.settings.data import InputSettings
from stream.settings.kafka import KafkaSettings
from stream.settings.resolve import SettingsError
from stream.settings.tree import Settings

_WITH_USER = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_A_FILE = re.compile(r"ssl\..*\.location|sasl\.kerberos\.keytab|.*\.file")
# librdkafka takes these words for a search of its own.
_NO_FILE = ("probe", "")


def _sasl(kafka: KafkaSettings) -> bool:
    return kafka.security_protocol.startswith("sasl")


def _tls(kafka: KafkaSettings) -> bool:
    return kafka.security_protocol.endswith("ssl")


def _ssl_settings(kafka: KafkaSettings) -> list[str]:
    own = ["kafka.ca_file"] if kafka.ca_file else []
    return own + [f"kafka.options {name}" for name in kafka.options if name.startswith("ssl.")]


def _sasl_settings(kafka: KafkaSettings) -> list[str]:
    named = {"sasl_mechanism": kafka.sasl_mechanism, "username": kafka.username, "password": kafka.password}
    return [f"kafka.{name}" for name, value in named.items() if value is not None]


# Each: the condition, and the fault in words, with the section as `k`.
LOGINS: tuple[tuple[Callable[[KafkaSettings], object], str], ...] = (
    (
        lambda k: _sasl(k) and k.sasl_mechanism is None,
        "kafka.sasl_mechanism: not set, expected one with `security_protocol: {k.security_protocol}`; set what the "
        "broker asks for, such as `kafka.sasl_mechanism: SCRAM-SHA-512`",
    ),
    (
        lambda k: _sasl(k) and k.sasl_mechanism in _WITH_USER and not k.username,
        "kafka.username: not set, expected the user's name with `sasl_mechanism: {k.sasl_mechanism}`; set it",
    ),
    (
        lambda k: _sasl(k) and k.sasl_mechanism in _WITH_USER and k.password is None,
        "kafka.password: not set, expected one with `sasl_mechanism: {k.sasl_mechanism}`; set NARROWS_KAFKA__PASSWORD "
        "in the environment",
    ),
    (
        lambda k: (
            _sasl(k)
            and k.sasl_mechanism == "OAUTHBEARER"
            and not any(name.startswith("sasl.oauthbearer.") for name in k.options)
            and "enable.sasl.oauthbearer.unsecure.jwt" not in k.options
        ),
        "kafka.options: no source of tokens, expected one with `sasl_mechanism: OAUTHBEARER`; set "
        "`sasl.oauthbearer.method: oidc` and `sasl.oauthbearer.token.endpoint.url` in `kafka.options`",
    ),
    (
        lambda k: not _sasl(k) and _sasl_settings(k),
        "kafka.security_protocol: {k.security_protocol}, which has no login, but {sasl} would log in; set it to "
        "`sasl_ssl` or `sasl_plaintext`, or remove the others",
    ),
    (
        lambda k: not _tls(k) and _ssl_settings(k),
        "kafka.security_protocol: {k.security_protocol}, which has no TLS, but {ssl} is set; set it to `ssl` or "
        "`sasl_ssl`, or remove the others",
    ),
    (
        lambda k: "ssl.certificate.location" in k.options and not {"ssl.key.location", "ssl.key.pem"} & set(k.options),
        "kafka.options: a certificate without its key; set `ssl.key.location` in `kafka.options` too",
    ),
)


def run_faults(settings: Settings) -> tuple[str, ...]:
    """All faults of a configuration that keep `narrows run` from reading its topic, each with its path; no secret."""
    found = (*_login_faults(settings.kafka), *_missing_files(settings.kafka), *_path_faults(settings.input))
    return found or tuple(_refused_by_client(settings.kafka))


def check_run(settings: Settings) -> None:
    """Refuses a configuration with which nothing can be read.

    Raises:
        SettingsError: lists the faults.
    """
    found = run_faults(settings)
    if found:
        raise SettingsError(found)


def _login_faults(kafka: KafkaSettings) -> Iterator[str]:
    for is_wrong, words in LOGINS:
        if is_wrong(kafka):
            named = {"sasl": ", ".join(_sasl_settings(kafka)), "ssl": ", ".join(_ssl_settings(kafka))}
            yield words.format(k=kafka, **named)


def _missing_files(kafka: KafkaSettings) -> Iterator[str]:
    options = {f"options {name}": value for name, value in kafka.options.items() if _A_FILE.fullmatch(name)}
    for name, value in {"ca_file": kafka.ca_file, **options}.items():
        if value is None or value in _NO_FILE:
            continue
        why = "no file" if not Path(value).exists() else None if os.access(value, os.R_OK) else "not readable"
        if why is not None:
            yield f"kafka.{name}: {value!r} is {why}, seen from {Path.cwd()}; give the path of a file that can be read"


def _path_faults(options: InputSettings) -> Iterator[str]:
    paths = {"time": options.time, "date": options.date, "sensor": options.sensor, "value": options.value}
    paths |= {"series": options.series} | {f"sensors.{name}": path for name, path in options.sensors.items()}
    for name, path in paths.items():
        if path:
            try:
                checked(name, path)
            except ConfigError as error:
                yield str(error).replace("fields.", "input.", 1)


def _refused_by_client(kafka: KafkaSettings) -> Iterator[str]:
    """The fault that the Kafka client finds in its options, without a connection."""
    if kafka.security_protocol == "plaintext" and not kafka.options:
        return
    # Imported here: the client takes 40 ms to import, which most checks of a configuration need not spend.
    from stream.kafka.client import options_fault

    fault = options_fault(kafka.connection())
    if fault is not None:
        yield fault
