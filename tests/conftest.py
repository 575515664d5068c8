"""Marks every test by its folder and hands out the real parts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from candlewick_local.errors import Refusal
from candlewick_local.parts import RealParts
from tests.support.parts import Parts, given_parts, started_parts, unique, where_from

_HERE = Path(__file__).parent
_MARKS = ("unit", "contract", "integration", "e2e", "chaos", "bench")


def pytest_report_header() -> str:
    return where_from(os.environ)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_HERE).parts[0]
        if folder in _MARKS:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def local_parts() -> Iterator[RealParts]:
    """Real parts that belong to this session, so that a test may stop, kill or pause them; it starts them again."""
    try:
        with started_parts() as parts:
            yield parts
    except Refusal as refusal:
        pytest.fail(f"this test needs real Kafka, MongoDB and Redis, and they did not start: {refusal}", pytrace=False)


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> Parts:
    """Addresses of real Kafka, MongoDB and Redis; use unique names in them, for others use them too."""
    try:
        given = given_parts(os.environ)
    except Refusal as refusal:
        pytest.fail(str(refusal), pytrace=False)
    if given:
        return given
    started: RealParts = request.getfixturevalue("local_parts")
    return started


@pytest.fixture
def database(parts: Parts) -> Iterator[str]:
    """The name of a MongoDB database of this test alone, dropped after it."""
    name = unique("test")
    yield name
    with MongoClient[dict[str, object]](parts.mongo, serverSelectionTimeoutMS=10_000) as client:
        client.drop_database(name)


@pytest.fixture
def prefix() -> str:
    """What the names of this test's topics, groups and keys begin with, so that no other test meets them."""
    return unique("test") + "."
