"""Why a request cannot be answered as it stands: the only error of the core, shown to the caller as a problem."""

from collections.abc import Sequence

from contracts.http import Fault, ProblemCode

MOST_FAULTS = 20
"""A request with more faults is told of the first ones: it has enough to mend."""
_LONGEST_WHERE = 128
_LONGEST_MESSAGE = 500


class Refusal(ValueError):  # noqa: N818 - a verdict on the request, not a mistake of ours
    """A request that is wrong, with everything that is wrong about it; each fault says what would be valid."""

    def __init__(self, code: ProblemCode, faults: Sequence[Fault]) -> None:
        self.code = code
        self.faults = tuple(faults[:MOST_FAULTS])
        super().__init__("; ".join(fault.message for fault in self.faults))


def fault(where: str, message: str) -> Fault:
    """One thing that is wrong, at a parameter or at the path of a field of the body."""
    return Fault(where=where[:_LONGEST_WHERE] or "request", message=message[:_LONGEST_MESSAGE])


def refuse(code: ProblemCode, where: str, message: str) -> Refusal:
    """A refusal for one reason."""
    return Refusal(code, [fault(where, message)])
