"""The key that callers of the API send: given, or made once and kept for its owner's eyes. Touches the file system."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from candlewick_local.errors import Refusal
from candlewick_local.folders import write_atomically


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key, and the file it is kept in if it was made here."""

    value: str
    made_in: Path | None

    def __repr__(self) -> str:
        return "ApiKey(***)"


def api_key(environment: Mapping[str, str], data: Path) -> ApiKey:
    """API_KEY or the content of API_KEY_FILE, else a key kept in the data folder, readable only by its owner."""
    if given := environment.get("API_KEY"):
        return ApiKey(given, None)
    if named := environment.get("API_KEY_FILE"):
        try:
            return ApiKey(Path(named).read_text().strip(), None)
        except OSError as error:
            raise Refusal(f"cannot read API_KEY_FILE {named}: {error.strerror}") from None
    kept = data / "api-key"
    if not kept.exists():
        write_atomically(kept, secrets.token_urlsafe(24) + "\n", mode=0o600)
    return ApiKey(kept.read_text().strip(), kept)
