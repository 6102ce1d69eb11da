"""The configuration: three layers become one tree, or one error that lists every fault."""

from itertools import chain, combinations
from pathlib import Path

import pytest
from pydantic import ValidationError

from stream.errors import ConfigError
from stream.settings import Settings, SettingsError, load
from stream.settings.kafka import REFUSED_OPTIONS

SECOND = 1_000_000_000


def written(folder: Path, text: str) -> Path:
    path = folder / "narrows.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path | None, *overrides: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError, match="fault") as caught:
        load(path, overrides, environ)
    return caught.value.faults


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(names, n) for n in range(len(names) + 1)))


@pytest.mark.parametrize("given_by", subsets(("override", "environment", "file")))
def test_the_strongest_layer_that_names_a_setting_decides(tmp_path: Path, given_by: tuple[str, ...]) -> None:
    path = written(tmp_path, "model: {window: 11}" if "file" in given_by else "")
    overrides = ["model.window=33"] if "override" in given_by else []
    environ = {"NARROWS_MODEL__WINDOW": "22"} if "environment" in given_by else {}
    strength = {"override": 33, "environment": 22, "file": 11}
    expected = strength[given_by[0]] if given_by else None
    assert load(path, overrides, environ).model.window == expected


def test_layers_meet_setting_by_setting_and_not_section_by_section(tmp_path: Path) -> None:
    path = written(tmp_path, "kafka:\n  alerts: from.file\n  options: {linger.ms: 5, client.id: file}\n")
    environ = {"NARROWS_KAFKA__BOOTSTRAP": "from-environment:9092"}
    kafka = load(path, ["kafka.options.client.id=override", "kafka.group=g"], environ).kafka
    assert (kafka.alerts, kafka.bootstrap, kafka.group) == ("from.file", "from-environment:9092", "g")
    assert kafka.options == {"linger.ms": "5", "client.id": "override"}


def test_of_two_overrides_of_one_setting_the_later_wins() -> None:
    assert load(None, ["model.window=5", "model.window=6"], {}).model.window == 6


def test_lists_mappings_and_null_can_be_overridden_as_text() -> None:
    overrides = [
        "input.sensors=[flow, b__c]",
        "rules.severity_edges=[3, 4, 5]",
        "train.parts={fit: 0.5, calibrate: 0.35}",
    ]
    settings = load(None, overrides, {"NARROWS_KAFKA__SCORES": "null", "NARROWS_INPUT__EXCLUDE": '["id", "no"]'})
    assert settings.input.sensors == {"flow": "flow", "b__c": "b__c"}
    assert settings.rules.severity_edges == (3.0, 4.0, 5.0)
    assert settings.train.parts.fit == 0.5
    assert settings.kafka.scores is None
    assert settings.input.exclude == ("id", "no")


def test_an_override_keeps_the_case_and_the_dots_of_the_names_in_a_mapping() -> None:
    settings = load(None, ["input.sensors.Temp.Out=values.temp"], {})
    assert settings.input.sensors == {"Temp.Out": "values.temp"}


def test_variables_of_other_programs_are_left_alone() -> None:
    assert load(None, (), {"NARROWS_DATA": "/somewhere", "PATH": "/bin", "XNARROWS_A__B": "1"}) == load(None, (), {})


def test_every_fault_of_every_layer_is_in_one_error_with_its_path_and_place(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "detector: Pumps!\n"
        "input:\n  time_format: epoc\n  tiem: ts\n"
        "frames: {grace: 5 parsecs, interval: 10s, max_gap: 5}\n"
        "rules:\n  severity_edges: [5, 2, 20]\n"
        "topic: x\n",
    )
    environ = {"NARROWS_MODEL__KIND": "deep", "NARROWS_INPT__TOPIC": "t"}
    faults = faults_of(path, "model.dropout=1.5", "detecter=x", "noequals", **environ)
    expected = [
        ("--set: expected a.b=value", ""),
        ("detecter: unknown key", "--set detecter"),
        ("inpt.topic: unknown key", "NARROWS_INPT__TOPIC"),
        ("detector: got 'Pumps!', expected text matching", ":1)"),
        ("input.time_format: got 'epoc', expected one of auto, iso8601, epoch_s", ":3)"),
        ("input.tiem: unknown key; did you mean input.time?", ":4)"),
        ("frames.grace: got '5 parsecs', expected a duration such as 500ms", ":5)"),
        ("frames.max_gap: got 5, expected at least the interval, 10s", ":5)"),
        ("model.kind: got 'deep', expected one of dense, conv, variational, linear", "NARROWS_MODEL__KIND"),
        ("model.dropout: got '1.5', expected less than 1", "--set model.dropout"),
        ("rules.severity_edges: expected three ascending scores above 1", ":7)"),
        ("topic: unknown key; did you mean input.topic?", ":8)"),
    ]
    assert len(faults) == len(expected)
    for begin, place in expected:
        assert any(fault.startswith(begin) and place in fault for fault in faults), (begin, faults)


def test_a_duplicate_key_is_a_fault_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "input:\n  topic: a\n  format: wide\n  topic: b\ndetector: x\ndetector: y\n")
    assert faults_of(path) == (
        f"input.topic: duplicate key ({path}:4, first on line 2); keep one",
        f"detector: duplicate key ({path}:6, first on line 5); keep one",
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("input: [a\n", ":2:1: not YAML"),
        ("a: b: c\n", ":1:5: not YAML"),
        ("a: !!int x\n", "not YAML"),
        ("? [a, b]\n: c\n", ":1:3: not YAML"),
        ("[" * 5000, "not YAML"),
        ("- a\n", "expected sections such as `input:`"),
        ("12: x\n", "12: unknown key"),
        ("kafka: localhost\n", "kafka: expected a mapping of keys to values"),
        ("input: {sensors: [a, a]}\n", "input.sensors: expected each name once, got twice: a"),
        ("input: {sensors: [1, a]}\n", "input.sensors: expected a list of names, or a mapping"),
        ("train: {parts: {fit: 0.9}}\n", "train.parts: expected fit + calibrate + gate = 1, not 1.3"),
        ("model: {kind: conv, window: 3}\n", "model.window: got 3, expected at least 4 with model.kind conv"),
        ("model: {window: true}\n", "model.window: got True, expected a number"),
        ("model: {hidden: 0}\n", "model.hidden: got 0, expected greater than or equal to 1"),
        ("threshold: {percentile: .nan}\n", "threshold.percentile: got nan, expected a finite number"),
        ("detector: 12\n", "detector: got 12, expected text; put it in quotes"),
        (
            "frames: {maintenance: [{start: 2026-01-02, end: 2026-01-01}]}\n",
            "frames.maintenance.0: expected `end` after",
        ),
        (
            "frames: {maintenance: [{start: noon, end: 2026-01-01}]}\n",
            "frames.maintenance.0.start: got 'noon', expected an",
        ),
        ("frames: {maintenance: [{end: 2026-01-01}]}\n", "frames.maintenance.0.start: missing"),
        ("frames: {score_when: 'speed >'}\n", "frames.score_when: got 'speed >', expected an expression such as"),
        ("rules: {sensors: {p: {direction: up}}}\n", "rules.sensors.p.direction: got 'up', expected one of both"),
        ("rules: {sensors: {p: {min_absolute: -1}}}\n", "rules.sensors.p.min_absolute: got -1, expected greater than"),
        ("rules: {sensors: {p: {min_relative: -1}}}\n", "rules.sensors.p.min_relative: got -1, expected greater than"),
        ("rules: {sensors: {p: {valid: [2, 2]}}}\n", "rules.sensors.p.valid: expected [low, high] with low < high"),
        ("rules: {sensors: {p: {valid: [null, null]}}}\n", "rules.sensors.p.valid: expected a limit, low or high"),
        ("rules: {sensors: {p: {valid: [0, .inf]}}}\n", "rules.sensors.p.valid.1: got inf, expected a finite number"),
        ("rules: {sensors: {p: {vald: [0, 1]}}}\n", "rules.sensors.p.vald: unknown key"),
        ("serve: {commit_interval: 20s, transaction_timeout: 20s}\n", "expected more than serve.commit_interval, 20s"),
        ("serve: {poll: 0}\n", "serve.poll: got 0, expected more than 0"),
        (
            "kafka: {alerts: readings}\n",
            "expected a topic for each use, got one for several: readings = readings, alerts",
        ),
        ("kafka: {alerts: 'my alerts'}\n", "kafka.alerts: got 'my alerts', expected text matching"),
        ("serve: {health: nowhere}\n", "serve.health: got 'nowhere', expected host:port such as 127.0.0.1:8080"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_the_reason(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=r"narrows\.yaml|fault") as caught:
        load(written(tmp_path, text), (), {})
    assert fault in str(caught.value)


def test_two_overrides_that_exclude_each_other_are_a_fault_and_not_one_of_them() -> None:
    assert faults_of(None, "input.sensors=[a]", "input.sensors.b=c") == (
        "input.sensors.b: cannot be set beside input.sensors (--set input.sensors.b)",
    )


def test_a_section_replaced_by_a_word_is_a_fault_even_under_a_stronger_layer() -> None:
    faults = faults_of(None, "kafka.group=g", NARROWS_KAFKA="localhost")
    assert faults == ("kafka: expected a mapping of keys to values (environment NARROWS_KAFKA)",)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "there.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"there\.yaml: .*; expected a YAML file, `narrows init` writes one"):
        load(path, (), {})


@pytest.mark.parametrize("text", ["", "# nothing\n", "kafka:\ninput: {}\n"])
def test_what_a_file_leaves_out_is_at_its_default(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text), (), {}) == Settings()


def test_words_of_yaml_that_look_like_switches_or_dates_are_names(tmp_path: Path) -> None:
    path = written(tmp_path, "input:\n  sensors: [on, no, y, 2026-01-01, null_, ~a]\ntrain: {drop_sensors: true}\n")
    settings = load(path, (), {})
    assert list(settings.input.sensors) == ["on", "no", "y", "2026-01-01", "null_", "~a"]
    assert settings.train.drop_sensors is True


@pytest.mark.parametrize("option", sorted(REFUSED_OPTIONS))
def test_an_option_that_guards_delivery_is_refused_with_its_reason(option: str) -> None:
    faults = faults_of(None, f"kafka.options.{option}=1", "kafka.options.ACKS=0")
    assert len(faults) == 2
    assert faults[0].startswith(f"kafka.options.{option}: refused: {REFUSED_OPTIONS[option]}")


def test_other_options_and_the_login_go_to_the_client_in_its_own_words(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "kafka:\n  security_protocol: sasl_ssl\n  sasl_mechanism: PLAIN\n  username: u\n  ca_file: /ca.pem\n"
        "  options: {linger.ms: 5, socket.keepalive.enable: true, ssl.key.password: k}\n",
    )
    assert load(path, (), {"NARROWS_KAFKA__PASSWORD": "12345"}).kafka.connection() == {
        "bootstrap.servers": "localhost:9092",
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "u",
        "sasl.password": "12345",
        "ssl.ca.location": "/ca.pem",
        "linger.ms": "5",
        "socket.keepalive.enable": "true",
        "ssl.key.password": "k",
    }


def test_settings_cannot_be_changed_once_loaded() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.model.window = 3
    with pytest.raises(ValidationError, match="frozen"):
        settings.detector = "other"


def test_names_left_open_follow_from_the_detector_and_the_alert_topic(tmp_path: Path) -> None:
    settings = load(None, ["detector=pumps", "kafka.alerts=plant.alerts"], {})
    assert settings.topics == (
        "readings",
        "plant.alerts",
        "plant.alerts.dead",
        "plant.alerts.state.pumps",
        "plant.alerts.status",
        "plant.alerts.open",
        "plant.alerts.mutes",
        None,
        "plant.alerts.feedback",
    )
    assert settings.group == "narrows-pumps"
    assert settings.instance
    assert settings.input.wire == ("wide", "time", "sensor", "value")
    named = load(None, ["kafka.group=g", "kafka.instance=i", "kafka.state=s", "kafka.scores=v", "input.time=ts"], {})
    assert (named.group, named.instance, named.topics.state, named.topics.scores) == ("g", "i", "s", "v")
    assert named.input.wire.time == "ts"
