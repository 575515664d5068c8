"""Records put aside."""

from chassis.dead_letters import LONGEST_VALUE, DeadLetter, dead_letter
from contracts.errors import BadData


def letter_of(error: BadData, key: bytes | None, value: bytes | None) -> DeadLetter:
    return dead_letter(error, topic="t.v1", partition=3, offset=41, timestamp=1_700_000_000_000, key=key, value=value)


def test_a_dead_letter_has_the_raw_value_the_cause_and_the_position() -> None:
    letter = letter_of(BadData("no price", kind="undecodable"), b"k", b"{")
    assert (letter.topic, letter.key, letter.value) == ("t.v1.dead", b"k", b"{")
    assert letter.headers == {
        "kind": "undecodable", "cause": "no price", "topic": "t.v1", "partition": "3", "offset": "41",
        "timestamp": "1700000000000", "key": "k", "length": "1",
    }  # fmt: skip


def test_a_long_value_is_cut_and_its_length_is_told() -> None:
    letter = letter_of(BadData("x"), None, b"x" * (LONGEST_VALUE + 1))
    assert len(letter.value) == LONGEST_VALUE
    assert letter.headers["length"] == str(LONGEST_VALUE + 1)


def test_a_key_that_is_no_text_is_escaped_in_the_header_and_whole_as_key() -> None:
    letter = letter_of(BadData("x"), b"\xff", None)
    assert (letter.key, letter.value, letter.headers["key"]) == (b"\xff", b"", "\\xff")
