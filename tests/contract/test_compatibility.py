"""A released record stays readable: the schemas of every tagged version are compared with those of the code.

Nothing is tagged yet, so nobody can depend on version 1 of the bar contract: version 2 replaced it under the same topic
names, and it is what the first tag will hold later versions to.
"""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.headers import SCHEMA_VERSION
from contracts.schemas import schemas
from tests.support.compatibility import incompatibilities

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "contracts/schemas"
CURRENT = {name: json.loads(text) for name, text in schemas().items()}
Change = Callable[[dict[str, Any]], object]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def released() -> dict[str, dict[str, Any]]:
    """The schemas of each version tagged `v…`, by `tag:file`; empty before the first release and outside a checkout."""
    if not (ROOT / ".git").exists():
        return {}
    return {
        f"{tag}:{Path(path).name}": json.loads(git("show", f"{tag}:{path}"))
        for tag in git("tag", "--list", "v*").split()
        for path in git("ls-tree", "--name-only", tag, f"{FOLDER}/").split()
    }


def test_no_record_of_a_released_version_became_unreadable() -> None:
    faults = {
        name: incompatibilities(schema, CURRENT[name.split(":")[1]])
        if name.split(":")[1] in CURRENT
        else ["it is gone"]
        for name, schema in released().items()
    }
    assert not {name: found for name, found in faults.items() if found}


@pytest.mark.parametrize("name", sorted(CURRENT))
def test_a_schema_is_compatible_with_itself(name: str) -> None:
    assert incompatibilities(CURRENT[name], CURRENT[name]) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda bar: bar["properties"].update(note={"type": "string", "default": ""}),
        lambda bar: bar["properties"].pop("reason"),
        lambda bar: bar.update(description="said better"),
    ],
)
def test_optional_fields_may_come_and_go(change: Change) -> None:
    new = copy.deepcopy(CURRENT["Bar.schema.json"])
    change(new)
    assert incompatibilities(CURRENT["Bar.schema.json"], new) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda bar: bar["properties"].pop("open"), "record.open: a required field is gone"),
        (lambda bar: bar["properties"].update(n={"type": "integer"}) or bar["required"].append("n"), "record.n: "),
        (lambda bar: bar["properties"]["open"].update(type="string"), "record.open: type was 'number'"),
        (lambda bar: bar["required"].append("gap_ms"), "record.gap_ms: it changed"),
        (lambda bar: bar["$defs"]["Origin"]["enum"].remove("provider_final"), "'provider_final' is no longer a value"),
        (lambda bar: bar["required"].remove("trading_day"), "record.trading_day: it changed"),
        (lambda bar: bar["properties"]["exchange"].update(pattern="^X$"), "record.exchange: pattern was"),
        (lambda bar: bar["properties"]["tick_count"].update(exclusiveMaximum=9), "record.tick_count: exclusiveMaximum"),
        (lambda bar: bar["properties"]["volume"]["anyOf"].pop(), "record.volume: 2 forms became 1"),
    ],
)
def test_every_other_change_is_refused(change: Change, fault: str) -> None:
    new = copy.deepcopy(CURRENT["Bar.schema.json"])
    change(new)
    assert any(fault in found for found in incompatibilities(CURRENT["Bar.schema.json"], new))


def test_the_first_released_contract_of_bars_will_be_version_2() -> None:
    """Records say their version in a header; one of another version is not read (`contracts.headers`)."""
    assert SCHEMA_VERSION == b"2"
    assert {"Bar.schema.json", "BarsComplete.schema.json", "CalendarRecord.schema.json"} <= CURRENT.keys()
    assert "IntervalComplete.schema.json" not in CURRENT
