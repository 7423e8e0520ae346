"""Passwords, tokens and hashes stand in no line of the log, whatever happens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.logs import Formatter
from tests.accounts.people import Service, newcomer
from tests.accounts.test_refresh_tokens import let_time_pass
from tests.test_errors import expect_shape

SECRET = "Otter-under-ice-29"


def tour(service: Service, rows: Any) -> Iterator[str]:
    """Do all that can be done with an account, rightly and wrongly; yield what nobody may read."""
    wrong, weak = SECRET[::-1], "otter-under"
    yield from (SECRET, wrong, weak)
    member = service.join(password=SECRET)
    yield from (member.access, member.refresh, member.email)
    yield from member.refresh.split(".", 2)
    expect_shape(service.login(member.email, wrong), 401)
    expect_shape(service.register(password=weak), 422, "details")
    expect_shape(service.register(email=member.email, password=SECRET), 409)
    for body in (f'{{"password": "{SECRET}", ', json.dumps(newcomer(password=SECRET))[1:]):
        expect_shape(service.client.post("/auth/login", body=body, token=None), 400)
    expect_shape(
        service.client.post("/auth/login", json={"email": member.email, "password": [SECRET]}, token=None),
        422,
        "details",
    )
    given = service.refresh(member.refresh).json()
    yield from (given["accessToken"], given["refreshToken"])
    expect_shape(service.refresh(member.refresh), 409)
    expect_shape(service.refresh(member.refresh + "x"), 401)
    let_time_pass(rows, member.id, "1 minute")
    expect_shape(service.refresh(member.refresh), 401)
    again = service.member(member.email, SECRET)
    yield from (again.access, again.refresh)
    expect_shape(service.profile(again.access + "x"), 401)
    assert service.profile(again.access).status == 200
    assert service.logout(again, again.refresh).status == 204
    last = service.member(member.email, SECRET)
    yield from (last.access, last.refresh)
    assert service.logout(last).status == 204
    for _ in range(10):
        service.login(member.email, wrong)
    expect_shape(service.login(member.email, SECRET), 429, "retry_after")
    yield from (row[0] for row in rows("SELECT password_hash FROM users WHERE password_hash IS NOT NULL"))
    yield from (row[0] for row in rows("SELECT encode(hash, 'hex') FROM refresh_tokens"))


def expect_silence(log: str, secrets: set[str]) -> None:
    assert len(secrets) >= 12
    assert '"route": "/auth/login"' in log  # it is the log
    assert "a refresh token was used again" in log
    assert [secret for secret in secrets if secret in log] == []


@pytest.mark.parametrize("name", ["local", "pool"])
def test_a_server_writes_no_secret_down(request: pytest.FixtureRequest, rows: Any, name: str) -> None:
    service = request.getfixturevalue({"local": "local_gunicorn", "pool": "cognito_gunicorn"}[name])
    server = request.getfixturevalue(f"{name}_server")
    expect_silence_after(service, rows, lambda: server.log.read_text())


@pytest.mark.parametrize("name", ["local_lambda", "cognito_lambda"])
def test_a_function_writes_no_secret_down(
    request: pytest.FixtureRequest, rows: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "service")
    caplog.handler.setFormatter(Formatter())
    expect_silence_after(request.getfixturevalue(name), rows, lambda: caplog.text)


def expect_silence_after(service: Service, rows: Any, log: Callable[[], str]) -> None:
    secrets = set(tour(service, rows))
    expect_silence(log(), secrets)


def test_an_outage_of_cognito_writes_no_secret_down(
    cognito_lambda: Service, cognito: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(Formatter())
    member = cognito_lambda.join(password=SECRET)
    for wrong in ("gone", "refusing"):
        cognito.is_gone = wrong == "gone"
        cognito.refuse = {"InitiateAuth": ("InvalidParameterException", f"{member.email} {SECRET}")}
        expect_shape(cognito_lambda.login(member.email, SECRET), 503, "retry_after")
        expect_shape(cognito_lambda.refresh(member.refresh), 503, "retry_after")
    assert "Cognito does not answer: ConnectionClosedError" in caplog.text
    assert "Cognito refuses initiate_auth: InvalidParameterException" in caplog.text
    assert [word for word in (SECRET, member.email, member.refresh, member.access) if word in caplog.text] == []
