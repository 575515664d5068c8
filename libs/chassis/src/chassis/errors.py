"""The error of a process that cannot run until a person changes a setting or the machine it runs on."""


class Misconfigured(Exception):  # noqa: N818 - a state, told to its operator
    """The message says what is wrong and what to do; `chassis.process` prints it without a trace and exits with 2."""
