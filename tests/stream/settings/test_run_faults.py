"""Logins that cannot work, files that are not there, and paths that cannot be read are found without a broker."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli.app import app
from stream.cli.reports.doctor import examine
from stream.kafka.admin.check_result import failures
from stream.settings.resolve import load
from stream.settings.run_faults import run_faults

SASL = ("kafka.security_protocol=sasl_ssl", "kafka.username=me", "kafka.password=hush-hush")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (SASL, "kafka.sasl_mechanism: not set"),
        ((SASL[0], "kafka.sasl_mechanism=PLAIN"), "kafka.username: not set"),
        ((*SASL[:2], "kafka.sasl_mechanism=SCRAM-SHA-256"), "kafka.password: not set"),
        ((SASL[0], "kafka.sasl_mechanism=OAUTHBEARER"), "no source of tokens"),
        (SASL[1:], "kafka.security_protocol: plaintext, which has no login, but kafka.username, kafka.password"),
        (("kafka.options.ssl.key.location=/",), "plaintext, which has no TLS, but kafka.options ssl.key.location"),
        (("kafka.security_protocol=ssl", "kafka.options.ssl.certificate.location=/"), "a certificate without its key"),
        (("kafka.security_protocol=ssl", "kafka.ca_file=no.pem"), "kafka.ca_file: 'no.pem' is no file, seen from"),
        ((*SASL, "kafka.sasl_mechanism=GSSAPI"), "GSSAPI, which the installed Kafka client was built without"),
        (("kafka.options.no.such=1",), 'No such configuration property: "no.such"'),
        (("input.time=meta..at",), "input.time: the path 'meta..at' has an empty name"),
    ],
)
def test_what_keeps_run_from_its_topic_is_a_fault_of_the_configuration(overrides: Sequence[str], words: str) -> None:
    result = CliRunner().invoke(app, ["config", "check", *(part for one in overrides for part in ("--set", one))])
    assert words in str(result.exception) or words in result.output
    assert "hush-hush" not in str(result.exception)
    assert getattr(result.exception, "exit_code", None) == 2


def test_doctor_names_the_faults_and_asks_no_broker(tmp_path: Path) -> None:
    settings = load(None, ("kafka.username=me", f"registry={tmp_path}"), {})
    first = failures(examine(settings))[0]
    assert (first.check, "kafka.username" in first.seen, "sasl_ssl" in first.do) == ("configuration", True, True)


def test_a_login_that_is_complete_has_no_fault(tmp_path: Path) -> None:
    # librdkafka examines the file itself: only a login without TLS needs none.
    login = ("kafka.security_protocol=sasl_plaintext", *SASL[1:], "kafka.sasl_mechanism=SCRAM-SHA-512")
    assert run_faults(load(None, login, {})) == ()
    assert run_faults(load(None, (), {})) == ()
