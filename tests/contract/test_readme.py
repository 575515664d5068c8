"""What README and docs say of settings, files, verbs and answers is what the project has."""

import re
from pathlib import Path

import pytest

from aggregator.settings import EngineSettings, SinkSettings
from chassis.settings import Settings, describe
from contracts.bars import BarsComplete
from contracts.headers import bar_headers
from contracts.http import Body, JobBody, QuoteBody, SeriesBody
from history_sync.settings import HistorySettings
from ingest_ws.settings import IngestSettings
from query_api.settings import ApiSettings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
CONSUMING = (ROOT / "docs" / "consuming.md").read_text("utf-8")
DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    + [readme for member in ("libs", "services", "deploy") for readme in (ROOT / member).glob("*/README.md")]
)
PROCESSES: dict[str, type[Settings]] = {
    "ingest-ws": IngestSettings,
    "engine": EngineSettings,
    "sink": SinkSettings,
    "history-sync": HistorySettings,
    "query-api": ApiSettings,
}
SERVICES: dict[str, list[type[Settings]]] = {
    "ingest-ws": [IngestSettings],
    "aggregator": [EngineSettings, SinkSettings],
    "history-sync": [HistorySettings],
    "query-api": [ApiSettings],
}
OF_THIS_MACHINE = "host name"
"""How the README writes a default that is made where the process runs."""


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def rows_of_table(text: str, first_heading: str) -> list[list[str]]:
    """The cells of the rows of the one table whose first column has this heading."""
    [table] = re.findall(rf"^\| {first_heading} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()]


def settings_table() -> list[tuple[str, str, str]]:
    """Variable, default and processes of every setting, as a row of the README has them."""
    found: dict[str, tuple[str, list[str]]] = {}
    for process, cls in PROCESSES.items():
        for setting in describe(cls):
            variable = f"`{setting.name}[_FILE]`" if setting.is_secret else f"`{setting.name}`"
            default = "required" if setting.default is None else setting.default or "none"
            if cls.model_fields[setting.name.lower()].default_factory is not None:
                default = OF_THIS_MACHINE
            known, processes = found.setdefault(variable, (default, []))
            assert known == default, f"{variable} has one default in all processes"
            processes.append(process)
    return [
        (variable, default, "all" if len(processes) == len(PROCESSES) else ", ".join(processes))
        for variable, (default, processes) in found.items()
    ]


def test_the_configuration_table_names_every_setting_its_default_and_its_processes() -> None:
    told = [(row[0], row[1].strip("`"), row[2]) for row in rows_of_table(README, "variable")]
    assert sorted(told) == sorted(settings_table())


@pytest.mark.parametrize("service", SERVICES)
def test_the_readme_of_a_service_names_every_setting_of_it(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    settings = {setting.name for cls in SERVICES[service] for setting in describe(cls)}
    assert {name for name in settings if f"`{name}" not in text} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_and_every_path_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text("utf-8")
    links = [target.partition("#")[0] for target in re.findall(r"\]\((?!https?://|#)([^)\s]+)\)", text)]
    tops = "|".join(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name != ".local")
    named = re.findall(rf"`((?:{tops})/[\w./-]*[\w/]|[\w-]+\.(?:toml|lock|md)|Makefile|LICENSE)`", text)
    absent = [link for link in links if not (document.parent / link).exists()]
    absent += [path for path in named if not ((ROOT / path).exists() or (document.parent / path).exists())]
    assert absent == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_verb_that_a_document_names_is_one_of_the_makefile(document: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ *\$? ?|; )make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert named <= verbs


def test_the_answers_shown_are_what_the_api_answers() -> None:
    bodies: list[type[Body]] = [QuoteBody, SeriesBody, JobBody]
    shown = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(shown) == len(bodies)
    for body, text in zip(bodies, shown, strict=True):
        answer = body.model_validate_json(text)
        assert answer == body.model_validate_json(answer.model_dump_json())


def test_consumers_are_shown_the_headers_and_the_records_that_there_are() -> None:
    assert [row[0].strip("`") for row in rows_of_table(CONSUMING, "header")] == [
        name for name, _ in bar_headers("1m", 0)
    ]
    [complete] = re.findall(r"^```json\n(.*?)\n```", CONSUMING, re.MULTILINE | re.DOTALL)
    assert BarsComplete.decode(complete).encode().decode() == complete


def test_decisions_are_numbered_without_a_gap_and_each_is_one_sentence() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        [decision] = re.findall(r"^\*\*Decision: (.*?)\*\*$", text, re.MULTILINE | re.DOTALL)
        assert decision.count(". ") == 0, path.name
        assert decision.endswith("."), path.name
        assert "## Context" in text, path.name
        assert "## Consequences" in text, path.name
