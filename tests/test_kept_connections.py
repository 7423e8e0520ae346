"""Requests one after another on one connection: none is taken for the rest of the one before it."""

from __future__ import annotations

import http.client
import time

import pytest

from tests.transports import Gunicorn

BODY = b'{"refreshToken": "is of no interest here"}'
TIMES = 40


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("OPTIONS", "/health"), ("GET", "/nowhere")])
def test_a_body_that_no_view_reads_is_not_taken_for_the_next_request(
    gunicorn: Gunicorn, method: str, path: str
) -> None:
    """The body comes a moment behind its head, as clients send it, and often behind the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", gunicorn.port, timeout=10)
    try:
        for turn in range(TIMES):
            connection.putrequest(method, path)
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(BODY)))
            connection.endheaders()
            time.sleep(turn % 4 / 1000)
            connection.send(BODY)
            connection.getresponse().read()
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
    finally:
        connection.close()
