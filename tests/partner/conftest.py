"""A stand-in for each test, asked as a client asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from tests.partner import Partner


@pytest.fixture
def start() -> Iterator[Callable[..., Partner]]:
    """Starts stand-ins that end with the test: `start(token_seconds=5)`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Partner(**options))


@pytest.fixture
def partner(start: Callable[..., Partner]) -> Partner:
    return start()


def ask_token(partner: Partner, **changes: Any) -> requests.Response:
    """Ask for a token with Basic."""
    known = partner.credentials | changes
    auth = requests.auth.HTTPBasicAuth(
        requests.utils.quote(known["client_id"], safe=""), requests.utils.quote(known["client_secret"], safe="")
    )
    form = {"grant_type": known.get("grant_type", "client_credentials"), "scope": known.get("scope", "")}
    return requests.post(partner.url + "/oauth/token", data=form, auth=auth, timeout=5)


def post(partner: Partner, *rows: Any, key: str = "k1", token: str | None = None, **options: Any) -> requests.Response:
    """Send a batch, with a new token unless one is given."""
    token = ask_token(partner).json()["access_token"] if token is None else token
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": "application/json"}
    body = options.pop("body", None) or json.dumps({"batch_number": 1, "total_batches": 1, "records": list(rows)})
    headers |= options.pop("headers", {})
    return requests.post(
        partner.url + "/records", data=body, headers=headers, timeout=5, allow_redirects=False, **options
    )
