"""No key, token or password stands anywhere after a run, whatever became of it; and the search for them finds them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from service import logs, metrics
from service.config import Config
from tests.fullbay import Fault, Fullbay
from tests.fullbay.services import token_of
from tests.ingestion.conftest import Installation
from tests.ingestion.leaks import Leaks
from tests.transports import ROOT

KEY = 'k3y/of+default%&="x'
FAULTS = {
    "none": [],
    "denied": [Fault("unauthorized", requests=[3])],
    "refused": [Fault("status", status=404, requests=[3])],
    "a FAIL that quotes": [
        Fault("fail", message=f"bad request: key={KEY}&token=abc {quote(KEY)} {quote(KEY, safe='')}")
    ],
    "a FAIL that quotes the key alone": [Fault("fail", message=f"No such customer: {KEY}")],
    "redirected": [Fault("redirect", requests=[3])],
    "reset": [Fault("reset", requests=[2]), Fault("reset", at="headers", requests=[4])],
    "broken off": [Fault("truncate", requests=range(3, 1000))],
    "HTML": [Fault("html", requests=[2, 3])],
    "rejects": [Fault("drift", what="amount_text", share=0.2)],
}


@pytest.fixture(scope="module")
def installed(install: Callable[..., Installation]) -> Installation:
    made: Installation = install()
    return made


@pytest.fixture
def fullbay() -> Iterator[Fullbay]:
    options: dict[str, Any] = {"work_orders": 60, "customers": 0, "parts": 0, "invoices": 30, "invoice_days": 6}
    with Fullbay(shops={"default": KEY}, invoices_per_page=5, **options) as it:
        yield it


@pytest.fixture
def leaks(installed: Installation, fullbay: Fullbay) -> Leaks:
    installed.empty()
    installed.read_from(fullbay)
    found = Leaks()
    found.add_database(installed.url)
    found.add_source(fullbay)
    return found


@pytest.mark.parametrize("source", ["work-orders", "invoices"])
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_a_process_keeps_its_secrets(
    installed: Installation, fullbay: Fullbay, leaks: Leaks, source: str, faults: list[Fault]
) -> None:
    fullbay.faults = faults
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [sys.executable, "-W", "default", "-m", "service", "ingest", source, "--json"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environ | installed.environ | {"LOG_LEVEL": "DEBUG", "FULLBAY_MAX_RETRIES": "2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert len(fullbay.requests) > 0
    assert installed.sql("SELECT count(*) > 0 FROM ingestion_metadata") == [(True,)]
    leaks.assert_none(installed.sql, [done.stdout, done.stderr])
    for line in done.stderr.splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_measurements_on_lambda_keep_them(
    installed: Installation, fullbay: Fullbay, leaks: Leaks, capsys: pytest.CaptureFixture[str]
) -> None:
    fullbay.faults = [Fault("status", status=404, requests=[3])]
    way_out = metrics._way_out
    with installed.app():
        pass
    try:
        metrics.configure(Config(function="headgate", environment="test"))
        metrics._counters.clear()
        metrics._values.clear()
        installed.read("invoices")
        metrics.configure(Config(function="headgate", environment="test"))
        metrics.increment_counter("RecordsProcessed", 1, Source="invoices", Resource="invoices")
        metrics.flush()
    finally:
        metrics._way_out = way_out
        metrics._counters.clear()
        metrics._values.clear()
    written = capsys.readouterr().out
    assert '"_aws"' in written
    leaks.assert_none(installed.sql, [written])


def test_what_urllib3_would_write_down_is_not_written(
    installed: Installation, fullbay: Fullbay, leaks: Leaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It quotes the whole URL where it cannot read a header, as a warning."""
    url = f"{fullbay.url}/services/getInvoices.php?key={quote(KEY, safe='')}"
    with leaks:
        logging.getLogger("urllib3.connection").warning("Failed to parse headers (url=%s): %s", url, "broken")
        logging.getLogger("urllib3.connectionpool").warning("Retrying (%r) after connection broken: %s", 1, url)
        logging.getLogger("urllib3.connectionpool").debug("%s", url)
    assert leaks.log.getvalue() == ""
    leaks.assert_none(installed.sql)
    for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        with Leaks():
            logs.configure(level)
            assert not logging.getLogger("urllib3.connection").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    "planted",
    [
        KEY,
        f"Bearer {KEY}",
        quote(KEY, safe=""),
        quote(quote(KEY, safe=""), safe="%"),
        quote(KEY, safe="").lower(),
        json.dumps(KEY),
        token_of(KEY, datetime.now(UTC).date(), "127.0.0.1"),
        "the password",
    ],
    ids=["key", "header", "quoted", "quoted twice", "lower", "json", "token", "password"],
)
def test_the_search_finds_what_was_planted(installed: Installation, leaks: Leaks, planted: str) -> None:
    if planted == "the password":
        leaks = Leaks()
        leaks.add_database(installed.url)
        planted = installed.url
    assert leaks.find(f"something {planted} else")
    with leaks:
        logging.getLogger("service.ingestion").debug("told", extra={"reason": planted})
    with pytest.raises(AssertionError, match="log"):
        leaks.assert_none(installed.sql)
    leaks.log.seek(0)
    leaks.log.truncate()
    leaks.assert_none(installed.sql)
    installed.sql(
        """
        INSERT INTO ingestion_metadata (execution_id, source, resource, shop, request, status, api_endpoint, end_time)
        VALUES ('x', 'work-orders', 'work-orders', 'default', '{}', 'FAILED', %s, now())
        """,
        planted,
    )
    with pytest.raises(AssertionError, match="database"):
        leaks.assert_none(installed.sql)
