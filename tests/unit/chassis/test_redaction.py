"""Secrets in texts and values."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.redaction import HIDDEN, Redactor


def test_a_learned_secret_is_hidden_wherever_it_stands() -> None:
    redactor = Redactor()
    redactor.learn("s3cret-token")
    assert redactor.text("a s3cret-token, twice: s3cret-token") == f"a {HIDDEN}, twice: {HIDDEN}"


def test_a_secret_that_begins_with_another_is_hidden_whole() -> None:
    redactor = Redactor()
    redactor.learn("token")
    redactor.learn("token-and-more")
    assert redactor.text("x token-and-more") == f"x {HIDDEN}"


def test_of_a_secret_url_only_the_password_is_hidden_so_that_the_host_stays_readable() -> None:
    redactor = Redactor()
    redactor.learn("mongodb://me:p%40ssword@db.internal:27017/?replicaSet=rs0")
    assert redactor.text("no answer from db.internal:27017") == "no answer from db.internal:27017"
    assert redactor.text("p%40ssword or p@ssword") == f"{HIDDEN} or {HIDDEN}"


def test_a_secret_url_without_a_password_hides_nothing() -> None:
    redactor = Redactor()
    redactor.learn("redis://127.0.0.1:6379/0")
    assert redactor.text("redis://127.0.0.1:6379/0 is away") == "redis://127.0.0.1:6379/0 is away"


def test_passwords_of_unknown_urls_are_hidden_too() -> None:
    assert Redactor().text("at redis://:hunter2@cache:6379/0 and amqp://u:pw@h") == (
        f"at redis://:{HIDDEN}@cache:6379/0 and amqp://u:{HIDDEN}@h"
    )


def test_values_are_walked_and_foreign_objects_are_redacted_as_they_print() -> None:
    redactor = Redactor()
    redactor.learn("hidden-value")

    class Thing:
        def __repr__(self) -> str:
            return "Thing(hidden-value)"

    event = {"a": ["hidden-value", {"b": ("hidden-value",)}], "hidden-value": 1, "thing": Thing(), "n": 1.5}
    assert redactor.value(event) == {
        "a": [HIDDEN, {"b": [HIDDEN]}],
        HIDDEN: 1,
        "thing": f"Thing({HIDDEN})",
        "n": 1.5,
    }


def test_a_value_nested_without_end_is_cut_off_as_text() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "[...]" in str(Redactor().value(endless))


@given(st.text(min_size=4), st.text(), st.text())
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    if len(secret.strip()) >= 4 and "://" not in secret and "*" not in secret:
        assert secret.strip() not in redactor.text(before + secret + after).replace(HIDDEN, "")
