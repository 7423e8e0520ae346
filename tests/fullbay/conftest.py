"""A stand-in for each test, asked as a partner asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
import requests

from tests.fullbay import Fullbay
from tests.fullbay.services import PATH, token_of

KEY = "key-of-default"
FIRST, LAST = date(2026, 6, 1), date(2026, 6, 30)


@pytest.fixture
def start() -> Iterator[Callable[..., Fullbay]]:
    """Starts stand-ins that end with the test: `start(seed=2, work_orders=50)`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            Fullbay(**{"work_orders": 60, "customers": 5, "parts": 5, "last_day": LAST, "invoice_days": 30} | options)
        )


@pytest.fixture
def fullbay(start: Callable[..., Fullbay]) -> Fullbay:
    return start()


def ask(fullbay: Fullbay, path: str = "/v1/work-orders", key: str = KEY, **query: Any) -> requests.Response:
    """Ask the first API."""
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "Headgate/0 (test)"}
        return session.get(fullbay.url + path, params=query, headers=headers, timeout=5, allow_redirects=False)


def ask_invoices(fullbay: Fullbay, key: str = KEY, **query: Any) -> requests.Response:
    """Ask the second API for a week; None leaves a parameter out."""
    token = token_of(key, fullbay.clock().date(), "127.0.0.1")
    query = {"key": key, "token": token, "startDate": "2026-06-08", "endDate": "2026-06-14", "page": 1} | query
    with requests.Session() as session:
        session.trust_env = False
        return session.get(fullbay.url + PATH, params=query, timeout=5, allow_redirects=False)


def read_all(fullbay: Fullbay, limit: int = 7, **query: Any) -> list[dict[str, Any]]:
    """Read page after page, as long as there are records."""
    found: list[dict[str, Any]] = []
    while page := ask(fullbay, limit=limit, offset=len(found), **query).json()["data"]:
        found += page
    return found
