"""The errors that end a process in good order: what an operator has to know of them is their message."""


class Misconfigured(Exception):  # noqa: N818 - a state, told to its operator
    """It cannot run until a person changes a setting or the machine it runs on.

    The message says what is wrong and what to do; `chassis.process` prints it without a trace and exits with 2.
    """


class MustRestart(Exception):  # noqa: N818 - a state, told to its operator
    """It can never go on, and whoever is started in its place can: it was fenced, or a client gave itself up.

    The message says why; `chassis.process` prints it without a trace and exits with 1.
    """
