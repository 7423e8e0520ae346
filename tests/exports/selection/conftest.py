"""The sample table, once for all tests here: no statement can change it, which `test_hostile` shows."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.exports.selection import sample


@pytest.fixture(scope="session")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = sample.connect()
    yield connection
    connection.close()
