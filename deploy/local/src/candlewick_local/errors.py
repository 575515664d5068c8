"""The one error of the local stack: a sentence for the person at the terminal."""


class Refusal(Exception):  # noqa: N818 - an answer to a person, not a mistake of the program
    """The local stack cannot go on; the message says what is wrong and what to do about it."""
