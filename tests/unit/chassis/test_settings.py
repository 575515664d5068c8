"""Settings from the environment and from files."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, field_validator

from chassis.redaction import SECRETS
from chassis.settings import (
    HttpSettings,
    KafkaSettings,
    LogSettings,
    MongoSettings,
    RedisSettings,
    SecretSource,
    Settings,
    SettingsError,
    as_markdown,
    as_text,
    describe,
    load,
)


class Everything(KafkaSettings, MongoSettings, RedisSettings, HttpSettings, LogSettings):
    api_key: SecretStr = Field(description="Key of the callers")
    token: SecretStr | None = Field(None, description="Token of the feed")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Everything.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_variables_without_a_prefix_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, MONGODB_URL="mongodb://h", REDIS_URL="redis://h", API_KEY="k1k2", HTTP_PORT="9000")
    settings = load(Everything)
    assert settings.http_port == 9000
    assert settings.kafka_bootstrap_servers == "127.0.0.1:9092"
    assert settings.kafka_partitions == 24
    assert settings.mongodb_database == "candlewick"
    assert settings.mongodb_url.get_secret_value() == "mongodb://h"
    assert settings.token is None


def test_every_wrong_and_missing_variable_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, KAFKA_PARTITIONS="0", HTTP_PORT="high", LOG_LEVEL="LOUD", API_KEY_FILE="/no/such/file")
    with pytest.raises(SettingsError) as caught:
        load(Everything)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "API_KEY_FILE", "HTTP_PORT", "KAFKA_PARTITIONS", "LOG_LEVEL", "MONGODB_URL", "REDIS_URL",
    ]  # fmt: skip
    assert "MONGODB_URL: missing" in caught.value.problems
    assert "API_KEY_FILE: cannot read /no/such/file: No such file or directory" in caught.value.problems


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, MONGODB_URL="", REDIS_URL="redis://h", API_KEY="k1k2", KAFKA_PARTITIONS="")
    with pytest.raises(SettingsError) as caught:
        load(Everything)
    assert caught.value.problems == ("MONGODB_URL: missing",)


def test_a_secret_may_come_from_a_file_whose_last_newline_is_not_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("from-a-file\n")
    given(monkeypatch, MONGODB_URL="mongodb://h", REDIS_URL="redis://h", API_KEY_FILE=str(tmp_path / "key"))
    assert load(Everything).api_key.get_secret_value() == "from-a-file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\n", "empty"), (b"\xff\xfe", "not UTF-8 text"), (b"x" * 70_000, "longer than 65536 bytes")],
)
def test_a_file_that_cannot_hold_a_secret_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    given(monkeypatch, MONGODB_URL="mongodb://h", REDIS_URL="redis://h", API_KEY_FILE=str(path))
    with pytest.raises(SettingsError) as caught:
        load(Everything)
    assert caught.value.problems == (f"API_KEY_FILE: cannot read {path}: {reason}",)


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one-secret")
    given(
        monkeypatch,
        MONGODB_URL="mongodb://h",
        REDIS_URL="redis://h",
        API_KEY="k-other-1",
        API_KEY_FILE=f"{tmp_path}/key",
    )
    with pytest.raises(SettingsError, match="API_KEY_FILE: API_KEY is set too"):
        load(Everything)


def test_errors_never_show_a_secret_even_if_a_validator_quotes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky(Settings):
        password: SecretStr = Field(description="A password", min_length=30)
        pin: SecretStr = Field(description="A pin")

        @field_validator("pin")
        @classmethod
        def _check(cls, pin: SecretStr) -> SecretStr:
            raise ValueError(f"{pin.get_secret_value()} is no pin")

    given(monkeypatch, PASSWORD="hunter2hunter2", PIN="z9")
    with pytest.raises(SettingsError) as caught:
        load(Picky)
    assert len(caught.value.problems) == 2
    assert "hunter2" not in str(caught.value)
    assert "z9" not in str(caught.value)


def test_loading_teaches_the_redactor_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        MONGODB_URL="mongodb://me:verysecret@h",
        REDIS_URL="redis://h",
        API_KEY="k-of-test",
        TOKEN="t-of-test",
    )
    load(Everything)
    assert SECRETS.text("verysecret k-of-test t-of-test h") == "*** *** *** h"


def test_settings_print_without_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, MONGODB_URL="mongodb://me:verysecret@h", REDIS_URL="redis://h", API_KEY="k1k2")
    settings = load(Everything)
    assert "verysecret" not in f"{settings!r} {settings.model_dump(mode='json')}"


def test_the_table_of_settings_has_the_required_ones_first_and_no_secret_default() -> None:
    table = describe(Everything)
    assert [row.name for row in table][:3] == ["API_KEY", "MONGODB_URL", "REDIS_URL"]
    assert all(row.meaning for row in table)
    rows = {row.name: row for row in table}
    assert rows["KAFKA_PARTITIONS"].default == "24"
    assert rows["TOKEN"].default == ""
    assert rows["TOKEN"].is_secret


def test_the_table_can_be_shown_as_text_and_as_markdown() -> None:
    assert "MONGODB_URL[_FILE]" in as_text(describe(MongoSettings))
    assert "| `MONGODB_URL[_FILE]` | required | MongoDB (a replica set), as a mongodb:// URL |" in as_markdown(
        describe(MongoSettings)
    )


class OneSecret(Settings):
    a_key: SecretStr | None = Field(None, description="a secret")


def test_a_secret_of_a_file_is_read_again_when_the_file_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("first secret\n")
    monkeypatch.setenv("A_KEY_FILE", str(file))
    source = SecretSource(load(OneSecret), "a_key")
    assert source.read() == "first secret"
    file.write_text("another secret\n")
    assert source.read() == "another secret"
    assert "another secret" not in SECRETS.text("it is another secret")
    for broken in ("", "\udcff"):
        file.write_bytes(broken.encode(errors="surrogateescape"))
        assert source.read() == "another secret"
    file.unlink()
    assert source.read() == "another secret"
    file.write_text("the third")
    assert source.read() == "the third"


def test_a_secret_without_a_file_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY_FILE", raising=False)
    assert SecretSource(OneSecret(), "a_key").read() == ""
    assert SecretSource(OneSecret(a_key=SecretStr("given")), "a_key").read() == "given"
