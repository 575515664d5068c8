"""The errors that end a process in good order: what an operator has to know of them is their message."""


class Misconfigured(Exception):  # noqa: N818 - a state, told to its operator
    """It cannot run until a person changes a setting or the machine it runs on.

    The message says what is wrong and what to do; `chassis.process` prints it without a trace and exits with 2.
    """


class Fenced(Exception):  # noqa: N818 - a state, told to its operator
    """Somebody else has taken this process's place, for good: started again, it may find another.

    The message says who and why; `chassis.process` prints it without a trace and exits with 1.
    """
