"""The lakes that the tests of engines run over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.athena import Athena
from tests.exports.lake.lakes import AthenaLake, Lake, LocalLake

ENGINES = ["local", "athena"]  # each has a fixture `<name>_lake`


@pytest.fixture(scope="session", params=ENGINES)
def lake(request: pytest.FixtureRequest) -> Lake:
    """Each test that takes it runs over every engine."""
    found: Lake = request.getfixturevalue(f"{request.param}_lake")
    return found


@pytest.fixture(scope="session")
def local_lake(tmp_path_factory: pytest.TempPathFactory) -> LocalLake:
    return LocalLake(tmp_path_factory.mktemp("data of %20 #1"))


@pytest.fixture(scope="session")
def athena_lake() -> Iterator[AthenaLake]:
    with Athena() as athena:
        yield AthenaLake(athena)
