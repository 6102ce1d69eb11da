"""Java and the broker's jars: those of `KAFKA_HOME`, or fetched once by Maven into the user's cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
JAVA_NEEDED = 17


class KafkaUnavailableError(RuntimeError):
    """No broker can run on this machine; the message says what is missing and what to do."""


def missing() -> str | None:
    """Reason why no broker can run on this machine; None if one can. Downloads nothing."""
    try:
        java()
        if "KAFKA_HOME" in os.environ:
            _installation(Path(os.environ["KAFKA_HOME"]))
        elif not _cache().is_dir():
            _maven()
    except KafkaUnavailableError as error:
        return str(error)
    return None


def java() -> str:
    """Path of a Java >= 17: that of `JAVA_HOME`, else the first on the path.

    Raises:
        KafkaUnavailableError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if path is None:
        raise KafkaUnavailableError(
            f"no Java in {f'JAVA_HOME ({home})' if home else 'PATH'}; Apache Kafka needs Java {JAVA_NEEDED}: "
            f"install a JRE (Debian: openjdk-17-jre-headless) or correct JAVA_HOME"
        )
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', answer)
    if found is None or int(found[1]) < JAVA_NEEDED:
        said = answer.strip().partition("\n")[0]
        raise KafkaUnavailableError(f"{path} says {said!r}; Apache Kafka needs Java {JAVA_NEEDED} or newer")
    return path


def jars() -> Path:
    """Folder of the broker's jars. Only the first call on a machine needs the network.

    Raises:
        KafkaUnavailableError: `KAFKA_HOME` is no Kafka 4, or Maven is missing or failed (its output is in the message).
    """
    if "KAFKA_HOME" in os.environ:
        return _installation(Path(os.environ["KAFKA_HOME"]))
    cache = _cache()
    if not cache.is_dir():
        cache.parent.mkdir(parents=True, exist_ok=True)
        # Two processes may be here at once, and Maven's local repository allows one writer.
        with (cache.parent / f"{cache.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not cache.is_dir():
                _resolve(cache)
    return cache / "libs"


def _installation(home: Path) -> Path:
    """Jars of an installation, which must be a Kafka 4 (KRaft only) with an slf4j binding."""
    libs = home / "libs"
    for pattern, what in (("kafka_2.13-4.*.jar", "Apache Kafka 4"), ("log4j-slf4j*.jar", "log4j binding")):
        if not any(libs.glob(pattern)):
            raise KafkaUnavailableError(
                f"KAFKA_HOME={home} has no {what}: no {pattern} in {libs}; name the folder of an unpacked "
                f"Apache Kafka 4, or unset KAFKA_HOME to have the jars resolved by Maven"
            )
    return libs


def _cache() -> Path:
    """Folder in the user's cache, named after the pom: a changed pom gets another folder, and no old jar is used."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    pom = POM.read_bytes()
    version = re.search(rb"<kafka\.version>(.+?)<", pom)
    assert version is not None, f"{POM} states kafka.version"
    return Path(base) / "narrows" / f"kafka-{version[1].decode()}-{hashlib.sha256(pom).hexdigest()[:8]}"


def _maven() -> str:
    path = shutil.which("mvn")
    if path is None:
        raise KafkaUnavailableError(
            "no Maven (mvn) in PATH to resolve Apache Kafka with; install it (Debian: maven), "
            "or set KAFKA_HOME to the folder of an unpacked Apache Kafka 4"
        )
    return path


def _resolve(cache: Path) -> None:
    """Fills `cache`: first a folder beside it, renamed when complete, so that a crash leaves no half cache."""
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=f"{cache.name}.", ignore_cleanup_errors=True) as scratch:
        part = Path(scratch) / "part"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part / 'libs'}"]
        command = [_maven(), "-q", "-B", "-f", str(POM), *goal]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise KafkaUnavailableError(
                f"Maven could not resolve Apache Kafka ({' '.join(command)} ended with {done.returncode}); "
                f"check the network, or set KAFKA_HOME. It said:\n{done.stdout[-3000:]}"
            )
        part.rename(cache)
