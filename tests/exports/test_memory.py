"""Memory does not grow with the number of rows: twenty times as many of them take little more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import exports as bench

MORE_MB = 12.0  # what more batches of garbage may make
MOST_MB = 150.0


@pytest.mark.slow
def test_twenty_times_as_many_rows_take_no_more_memory(install: Any) -> None:
    installation = install()
    peaks = {}
    with bench._partner() as credentials:
        for count in (10_000, 200_000):
            environ = {
                "DATABASE_URL": installation.url,
                "API_CREDENTIALS": credentials,
                "MAX_RECORDS": "200000",
                "EXPORT_TABLES": '{"local_customers_silver": {"key": ["customer_id"]}}',
            }
            peaks[count] = bench._peak(count, environ)
    assert installation.sql("SELECT sum(rows_sent) FROM export_runs") == [(10_000 + 200_000 + 2 * 2000,)]
    print(peaks)
    assert peaks[200_000] < peaks[10_000] + MORE_MB, peaks
    assert peaks[200_000] < MOST_MB, peaks
