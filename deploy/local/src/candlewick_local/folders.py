"""Where things lie on this machine: all under one git-ignored folder of the checkout. Touches the file system."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from candlewick_local.errors import Refusal

CHECKOUT = Path(__file__).resolve().parents[4]
"""The root of the checkout that this package is installed from (it is always installed editable)."""

LOCAL = CHECKOUT / ".local"
LOCKS = CHECKOUT / "deploy" / "local"


def parts_folder(environment: Mapping[str, str]) -> Path:
    """Where downloaded parts are kept: PARTS_CACHE, so that several checkouts can share them, else `.local/parts`."""
    given = environment.get("PARTS_CACHE")
    return Path(given).expanduser().resolve() if given else LOCAL / "parts"


def writable(folder: Path) -> Path:
    """The folder, made if it was absent. Raises `Refusal` when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refusal(
            f"cannot write to the folder {folder}: {reason}; make it writable or name another one (--data DIR)"
        ) from None
    return folder


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a crash, sees the old text or the whole of the new."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
