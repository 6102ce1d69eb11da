"""A secret of the configuration is in nothing that is printed: values, errors, messages about faulty files."""

import json
from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.settings import SettingsError, load
from stream.settings.describe import as_yaml, values

SECRET = "hunter2-Zx9"  # noqa: S105 - opens nothing: the tests look for it where it must not be
SECRET_OPTIONS = ("ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret")


def written(folder: Path, text: str) -> Path:
    path = folder / "narrows.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_secret_is_in_nothing_that_is_printed_of_a_sound_configuration() -> None:
    options = [f"kafka.options.{name}={SECRET}" for name in SECRET_OPTIONS]
    settings = load(None, [f"kafka.password={SECRET}", *options], {})
    printed = [repr(settings), str(settings), repr(settings.kafka), as_yaml(settings), json.dumps(values(settings))]
    assert not [text for text in printed if SECRET in text]
    assert settings.kafka.connection()["ssl.key.pem"] == SECRET


@pytest.mark.parametrize(
    "text",
    [
        f"kafka: {{password: *{SECRET}}}",
        f"kafka: {{password: !{SECRET} x}}",
        f'kafka:\n  password: "{SECRET}\n',
        f"kafka: {{password: [{SECRET}]}}",
        f"kafka: {{password: {{{SECRET}: 1}}}}",
        f"kafka: {{options: {{ssl.key.password: [{SECRET}]}}}}",
        f"kafka: {{options: {SECRET}}}",
        f"kafka: {{options: [ssl.key.pem, {SECRET}]}}",
        f"kafka: {SECRET}",
        f"kafka: {{pasword: {SECRET}}}",
        f"password: {SECRET}",
        SECRET,
        f"- {SECRET}",
        f"kafka: {{password: {SECRET}, group: 1, alerts: readings}}",
    ],
)
def test_a_secret_is_in_no_message_about_a_faulty_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"narrows\.yaml|fault") as caught:
        load(written(tmp_path, text), (), {})
    # The key of a mapping is a path; everything else that was written must stay out.
    assert SECRET not in str(caught.value).replace(f"kafka.password.{SECRET}", "")


@pytest.mark.parametrize(
    "override", [SECRET, f"={SECRET}", f"kafka={SECRET}", f"kafka.options={{a: {SECRET}", f"pasword={SECRET}"]
)
def test_a_secret_is_in_no_message_about_a_faulty_override(override: str) -> None:
    with pytest.raises(SettingsError, match="1 fault") as caught:
        load(None, [override], {})
    assert SECRET not in str(caught.value)
