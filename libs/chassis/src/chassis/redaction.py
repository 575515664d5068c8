"""Keeping secrets out of whatever leaves a process as text: known values, and passwords inside URLs."""

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
_SHORTEST = 4
"""A secret shorter than this is not looked for in texts: it would blank out ordinary words."""

_URL_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.-]{1,30}://[^\s/@:]{0,256}:)[^\s/@]{1,1024}@")


class Redactor:
    """Removes the secrets that it has been told of from texts and from nested values."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def learn(self, secret: str) -> None:
        """Hide this value from now on; of a URL only its password, so that hosts stay readable."""
        found = {part for part in _confidential_parts(secret) if len(part) >= _SHORTEST}
        # The longest first: one secret may begin with another.
        self._secrets = tuple(sorted(found | set(self._secrets), key=len, reverse=True))

    def text(self, text: str) -> str:
        """The text without secrets and without passwords of URLs."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _URL_PASSWORD.sub(rf"\g<head>{HIDDEN}@", text) if "://" in text else text

    def value(self, value: object, depth: int = 8) -> object:
        """The same for a value of a log event: containers are walked, foreign objects become their redacted repr."""
        match value:
            case str():
                return self.text(value)
            case None | bool() | int() | float():
                return value
            case dict() if depth:
                return {self.text(str(key)): self.value(item, depth - 1) for key, item in value.items()}
            case list() | tuple() | set() | frozenset() if depth:
                return [self.value(item, depth - 1) for item in value]
            case _:
                return self.text(repr(value))


def _confidential_parts(secret: str) -> set[str]:
    if "://" not in secret:
        return {secret.strip()}
    try:
        password = urlsplit(secret).password
    except ValueError:  # not a URL after all
        return {secret.strip()}
    return {password, unquote(password)} if password else set()


SECRETS = Redactor()
"""The process's own redactor: settings teach it, logs and error texts pass through it."""
