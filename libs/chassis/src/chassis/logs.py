"""Logs to standard output: JSON lines on a pipe, columns on a terminal, secrets removed from both."""

import logging
import sys
import time
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from chassis.redaction import SECRETS

_TALKATIVE = (
    "aiokafka",
    "faststream",
    "chassis.kafka.faststream",
    "pymongo",
    "asyncio",
    "urllib3",
    "httpcore",
    "httpx",
    "websockets",
    "uvicorn.access",
)
"""Libraries whose INFO is about themselves and whose DEBUG may hold whole commands: one level quieter than we are."""
_MOST_MESSAGES = 1_000
_OWN_HANDLERS = ("uvicorn", "uvicorn.access", "uvicorn.error", "faststream")


REPEAT_S = 30.0
"""What a library has said it may say again after so long: one that cannot connect says so a hundred times a second."""


class Seldom(logging.Filter):
    """Lets a talkative library's message through once in `REPEAT_S`, whatever its arguments, with how many it kept."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_TALKATIVE):
            return True
        key, now = (record.name, str(record.msg)[:200]), time.monotonic()
        said_at, kept = self._kept.get(key, (-REPEAT_S, 0))
        if now - said_at < REPEAT_S:
            self._kept[key] = (said_at, kept + 1)
            return False
        if len(self._kept) >= _MOST_MESSAGES:
            self._kept.clear()
        self._kept[key] = (now, 0)
        if kept:
            record.repeated = kept
        return True


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers the same way, to `stream` (standard output)."""
    out = sys.stdout if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                *_rendering(is_terminal=out.isatty()),
            ],
        )
    )
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    quiet = "INFO" if level == "DEBUG" else max(level, "WARNING", key=logging.getLevelNamesMapping().__getitem__)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(capture=True)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("what happened", topic=…)`; names and numbers as keywords, never inside the sentence."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor that removes known secrets and passwords of URLs from every value of an event."""
    return {key: SECRETS.value(value) for key, value in event.items()}


def _rendering(*, is_terminal: bool) -> list[Processor]:
    if is_terminal:
        return [structlog.dev.ConsoleRenderer(timestamp_key="time")]
    return [structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer(ensure_ascii=False)]
