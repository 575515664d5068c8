"""The log file of each child: the last start's is kept beside it, and none grows for ever. Touches the file system."""

import os
from pathlib import Path

LARGEST = 20 * 1024 * 1024
"""Bytes after which a log of a running child is moved aside, in place of the one before."""

_LARGEST_END = 64 * 1024


def begin(path: Path) -> int:
    """A descriptor to append to an empty log; what was there goes to `<name>.log.1`. The caller closes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(_previous(path))
    return resume(path)


def resume(path: Path) -> int:
    """A descriptor that goes on at the end of the log, for a child that is started again. The caller closes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def bound(path: Path, largest: int = LARGEST) -> None:
    """Copy a log that has grown too large to `<name>.log.1` and empty it; its writer appends, so it goes on at zero."""
    try:
        if path.stat().st_size <= largest:
            return
        with path.open("rb") as source, _previous(path).open("wb") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
        os.truncate(path, 0)
    except FileNotFoundError:
        return


def last_lines(path: Path, since: int = 0, count: int = 15, longest: int = 500) -> list[str]:
    """The end of a log, of what was written from the byte `since` on: as a person needs it to see why a child died."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(since if since <= size else 0, size - _LARGEST_END))
            text = file.read(_LARGEST_END).decode(errors="replace")
    except OSError:
        return []
    return [_shortened(line, longest) for line in text.splitlines()[-count:]]


def _shortened(line: str, longest: int) -> str:
    """Both ends of a line that is too long: a traceback within it says last what was wrong."""
    return line if len(line) <= longest else f"{line[: longest // 4]} … {line[-longest * 3 // 4 :]}"


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".1")
