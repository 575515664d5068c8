"""The two errors that have an answer; anything else is a bug, which is logged and ends the process."""


class BadData(ValueError):  # noqa: N818 - a verdict on the data, not a mistake of ours
    """Something from outside that cannot be used: count it, put it aside with its cause and position, go on.

    `cause` is one short sentence without the data itself; `kind` is a stable word for metrics.
    """

    def __init__(self, cause: str, *, kind: str = "invalid") -> None:
        super().__init__(cause)
        self.cause = cause
        self.kind = kind


class Unavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """A broker, a store or the provider does not answer: back off, hold offsets, report not ready.

    `what` names the part as an operator knows it (no secrets, no URL with a password).
    """

    def __init__(self, what: str, cause: str = "") -> None:
        super().__init__(f"{what} is unavailable{': ' + cause if cause else ''}")
        self.what = what
        self.cause = cause
