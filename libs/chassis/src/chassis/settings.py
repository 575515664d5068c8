"""Settings from environment variables: validated at once, described for people, secrets also from files."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.errors import Misconfigured
from chassis.redaction import SECRETS

S = TypeVar("S", bound="Settings")
_LONGEST_SECRET = 64 * 1024


class Settings(BaseSettings):
    """Base of a process's settings: the field `http_port` is the variable HTTP_PORT.

    Each `SecretStr` field X may also be given as X_FILE, the path of a file that holds it (read once, at start).
    Build with `load`; an empty variable counts as absent.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)


class KafkaSettings(Settings):
    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092",
        description="Kafka brokers to begin with, host:port separated by commas",
        pattern=r"^[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*$",
        max_length=1000,
    )
    kafka_partitions: int = Field(
        24, description="Partitions that all keyed topics share; fixed for ever once they exist", ge=1, le=1024
    )


class MongoSettings(Settings):
    mongodb_url: SecretStr = Field(description="MongoDB (a replica set), as a mongodb:// URL")
    mongodb_database: str = Field("candlewick", description="Name of the database", pattern=r"^[A-Za-z0-9_-]{1,63}$")


class RedisSettings(Settings):
    redis_url: SecretStr = Field(description="Redis, as a redis:// URL")


class HttpSettings(Settings):
    http_host: str = Field("127.0.0.1", description="Address that HTTP listens on", min_length=1, max_length=255)
    http_port: int = Field(
        8080, description="Port of /livez, /readyz and /metrics, and of the API where there is one", ge=0, le=65535
    )


class LogSettings(Settings):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged")


class SettingsError(Misconfigured):
    """One or more variables are missing or wrong; says so of all of them at once, and never a secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("wrong settings:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table of settings; `default` None means that the variable must be given."""

    name: str
    default: str | None
    meaning: str
    is_secret: bool


def load(cls: type[S]) -> S:
    """The settings as the environment gives them; teaches the redactor every secret among them.

    Raises `SettingsError` that lists every missing or wrong variable.
    """
    secrets, problems = _secrets(cls)
    for secret in secrets.values():
        SECRETS.learn(secret)
    try:
        settings = cls(**secrets)
    except ValidationError as error:
        explained = {problem.split(":", 1)[0].removesuffix("_FILE") for problem in problems}
        found = [f"{name}: {fault}" for name, fault in _faults(error, secrets) if name not in explained]
        raise SettingsError(sorted([*problems, *found])) from None
    if problems:
        raise SettingsError(sorted(problems))
    return settings


class SecretSource:
    """A secret that may change while the process runs: read again when its file (X_FILE) changes, else as it was.

    Build it after `load`, with the settings and the name of a `SecretStr` field. Not for an event loop: it reads files.
    """

    def __init__(self, settings: Settings, field: str) -> None:
        value: SecretStr | None = getattr(settings, field)
        self._value = "" if value is None else value.get_secret_value()
        path = os.environ.get(f"{field.upper()}_FILE")
        self._path = Path(path) if path else None
        self._stamp = self._stat()

    def read(self) -> str:
        """The secret, "" where none is given. A file that cannot be read, or is empty, leaves it as it was."""
        stamp = self._stat()
        if self._path is not None and stamp is not None and stamp != self._stamp:
            try:
                self._value = _read(self._path)
            except (OSError, ValueError):
                return self._value
            self._stamp = stamp
            SECRETS.learn(self._value)
        return self._value

    def _stat(self) -> tuple[int, int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def describe(cls: type[Settings]) -> tuple[Setting, ...]:
    """The table of settings, required ones first, for `--help` and a README."""
    rows = [
        Setting(
            name=name.upper(),
            default=None if field.is_required() else _shown(field.get_default(call_default_factory=True)),
            meaning=field.description or "",
            is_secret=name in _secret_fields(cls),
        )
        for name, field in cls.model_fields.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.default is not None, row.name)))


def as_text(table: Sequence[Setting]) -> str:
    """The table in columns, as `--help` prints it."""
    width = max((len(_variable(row)) for row in table), default=0)
    return "\n".join(f"  {_variable(row):{width}}  {row.meaning} ({_default(row)})" for row in table)


def as_markdown(table: Sequence[Setting]) -> str:
    """The table as a README shows it."""
    rows = [f"| `{_variable(row)}` | {_default(row)} | {row.meaning} |" for row in table]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _variable(row: Setting) -> str:
    return f"{row.name}[_FILE]" if row.is_secret else row.name


def _default(row: Setting) -> str:
    return "required" if row.default is None else row.default or "none"


def _shown(default: object) -> str:
    return "" if default is None or isinstance(default, SecretStr) else str(default)


def _secret_fields(cls: type[Settings]) -> tuple[str, ...]:
    return tuple(
        name
        for name, field in cls.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    )


def _secrets(cls: type[Settings]) -> tuple[dict[str, Any], list[str]]:
    """The secrets that are given, by field name, and what is wrong with the files that some of them come from."""
    secrets: dict[str, Any] = {}
    problems: list[str] = []
    for field in _secret_fields(cls):
        name = field.upper()
        direct, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
        if direct and path:
            problems.append(f"{name}_FILE: {name} is set too; set one of them")
        elif direct:
            secrets[field] = direct
        elif path:
            try:
                secrets[field] = _read(Path(path))
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                problems.append(f"{name}_FILE: cannot read {path}: {reason}")
    return secrets, problems


def _read(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(_LONGEST_SECRET + 1)
    if len(raw) > _LONGEST_SECRET:
        raise ValueError(f"longer than {_LONGEST_SECRET} bytes")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not text:
        raise ValueError("empty")
    return text


def _faults(error: ValidationError, secrets: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Variable and fault of each error; a validator's own words may quote a secret, so they are searched for it."""
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        message = "missing" if fault["type"] == "missing" else fault["msg"]
        for secret in secrets.values():
            message = message.replace(secret, "***")
        yield ".".join(str(part) for part in fault["loc"]).upper() or "SETTINGS", message
