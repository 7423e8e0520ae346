from __future__ import annotations

from typing import Any

import pytest

from service.exports.lake.athena import AthenaEngine
from tests.athena import Athena
from tests.athena.reading import read_file, read_pages, run
from tests.athena.samples import tables

ROWS = 50_000


def test_the_file_is_read_five_times_faster_than_pages(athena: Athena, client: Any) -> None:
    for name, table in tables(ROWS).items():
        athena.create_table(name, table)
    engine = AthenaEngine(athena.settings)
    query_id = run(engine, f'SELECT * FROM "{athena.database}"."local_customers_silver"', "reading")
    files = [read_file(engine, query_id) for _ in range(3)]
    pages = read_pages(client, query_id)
    assert {read.rows for read in (*files, pages)} == {ROWS}
    assert min(files).seconds * 5 <= pages.seconds


def test_pages_are_as_slow_as_asked(athena: Athena, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    athena.create_table("few", tables(1500)["local_customers_silver"])
    query_id = run(AthenaEngine(athena.settings), f'SELECT * FROM "{athena.database}"."few"', "slow")
    monkeypatch.setattr(athena.protocol, "page_latency", 0.2)
    assert 0.4 <= read_pages(client, query_id).seconds < 2
