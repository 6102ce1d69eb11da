"""Java and the jars of the broker, with small programs in place of Java and Maven."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.kafka import jars
from tests.conftest import ROOT

# Waits for permission, writes one jar, and adds a line per run.
MAVEN = """
for word; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done
echo ran >> "$RUNS"
mkdir -p "$out"
while [ ! -e "$GO" ]; do :; done
echo jar > "$out/kafka.jar"
"""


def program(folder: Path, name: str, script: str) -> None:
    """An executable shell script."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def bin_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs win, a cache of its own, and neither KAFKA_HOME nor JAVA_HOME."""
    for name in ("KAFKA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bin"


def test_two_processes_at_once_ask_maven_once_and_both_get_the_whole_cache(
    bin_first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two test workers start together on a fresh machine."""
    program(bin_first, "mvn", MAVEN)
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    code = "from deploy.kafka.jars import jars; print(flush=True); print((jars() / 'kafka.jar').read_text())"
    asking = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    for process in asking:
        assert process.stdout is not None
        process.stdout.readline()  # the process is about to call Maven
    (tmp_path / "go").touch()
    assert [process.communicate()[0].strip() for process in asking] == [b"jar", b"jar"]
    assert (tmp_path / "runs").read_text() == "ran\n"


def test_a_failing_maven_is_quoted_and_leaves_no_cache_behind(bin_first: Path, tmp_path: Path) -> None:
    """The next call tries again. A half cache would look like a whole one."""
    program(bin_first, "mvn", "echo 'could not reach the repository'; exit 1")
    with pytest.raises(jars.KafkaUnavailableError, match=r"(?s)ended with 1\).*could not reach the repository"):
        jars.jars()
    assert [path.suffix for path in (tmp_path / "cache" / "narrows").iterdir()] == [".lock"]


def test_a_folder_that_is_no_kafka_is_refused_with_what_was_sought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`KAFKA_HOME` comes before Maven, so a wrong one must be an error."""
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(jars.KafkaUnavailableError, match=r"has no Apache Kafka 4: no kafka_2\.13-4.*unset KAFKA_HOME"):
        jars.jars()


def test_an_installation_in_kafka_home_is_taken_without_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for machines that cannot reach Maven Central."""
    (tmp_path / "libs").mkdir()
    for name in ("kafka_2.13-4.1.0.jar", "log4j-slf4j-impl-2.24.3.jar"):
        (tmp_path / "libs" / name).touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert jars.jars() == tmp_path / "libs"


def test_a_java_that_is_too_old_is_named_with_its_version(bin_first: Path) -> None:
    """Java 11 would end in a stack trace about class file versions."""
    program(bin_first, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    reason = jars.missing()
    assert reason is not None
    assert "11.0.2" in reason
    assert "needs Java 17" in reason


@pytest.mark.parametrize("there", ["nothing", "java"])
def test_what_is_missing_is_named_with_what_to_install(
    there: str, bin_first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skipped or failed test shows this text."""
    program(bin_first, there, """echo 'openjdk version "17.0.1" 2021-10-19' >&2""")
    monkeypatch.setenv("PATH", str(bin_first))
    expected = "no Java in PATH" if there == "nothing" else "no Maven (mvn) in PATH"
    reason = jars.missing()
    assert reason is not None
    assert expected in reason
    assert "install" in reason


def test_a_java_home_without_java_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Java instead would be one that nobody asked for."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"no Java in JAVA_HOME ({tmp_path})" in str(jars.missing())
