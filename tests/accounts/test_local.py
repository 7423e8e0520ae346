"""Accounts that the service keeps itself; its keys; and what it says where accounts are kept elsewhere."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import psycopg2
import pytest
from argon2 import PasswordHasher

from service.accounts import queries
from service.config import Config
from service.database import Database
from service.security.issuer import KEY_FILE, OwnIssuer
from tests.accounts.people import PASSWORD, Service, address, newcomer
from tests.security.issuers import Issuer
from tests.test_errors import expect_shape
from tests.transports import Client

Connect = Callable[..., Client]


def test_40_registrations_of_one_address_at_once_make_one_account(local_gunicorn: Service, rows: Any) -> None:
    email = address()
    spellings = [email, email.upper(), email.title(), email.swapcase()] * 10
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda spelling: local_gunicorn.register(email=spelling), spellings))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 39}
    assert rows("SELECT count(*) FROM users WHERE lower(email) = %s", email) == [(1,)]
    (made,) = [answer.json()["userId"] for answer in answers if answer.status == 201]
    assert local_gunicorn.member(email).id == made


def test_a_registration_whose_connection_breaks_before_the_answer_is_repeated(settings: Config, rows: Any) -> None:
    database, tries = Database(settings), []
    user_id, email = str(uuid.uuid4()), address()

    def register(cursor: Any) -> None:
        tries.append(queries.register(cursor, user_id, email, "x", "Ada", "Lovelace"))
        if len(tries) == 1:
            rows("SELECT pg_terminate_backend(%s)", cursor.connection.info.backend_pid)
            cursor.execute("SELECT 1")

    database.statement(register)
    assert len(tries) == 2
    assert rows("SELECT id::text FROM users WHERE email = %s", email) == [(user_id,)]
    with pytest.raises(psycopg2.errors.UniqueViolation):
        database.statement(queries.register, str(uuid.uuid4()), email.upper(), "x", "Ada", "Lovelace")
    database.close()


def test_a_password_is_kept_as_argon2id_with_the_parameters_of_owasp(local: Service, rows: Any) -> None:
    member = local.join()
    ((kept,),) = rows("SELECT password_hash FROM users WHERE id = %s", member.id)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHasher().verify(kept, PASSWORD)


def test_a_hash_with_old_parameters_is_made_anew_when_its_user_signs_in(local: Service, rows: Any) -> None:
    member = local.join()
    old = PasswordHasher(1, 8, 1).hash(PASSWORD)
    rows("UPDATE users SET password_hash = %s WHERE id = %s", old, member.id)
    expect_shape(local.login(member.email, PASSWORD + "x"), 401)
    assert rows("SELECT password_hash FROM users WHERE id = %s", member.id) == [(old,)]
    for _ in range(2):
        assert local.login(member.email).status == 200
        ((kept,),) = rows("SELECT password_hash FROM users WHERE id = %s", member.id)
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_that_has_changed_meanwhile_is_not_replaced(settings: Config, new_user: Any, rows: Any) -> None:
    database, person = Database(settings), new_user()
    rows("UPDATE users SET password_hash = 'newer' WHERE id = %s", person.id)
    database.statement(queries.replace_password_hash, str(person.id), "old", "anew")
    assert rows("SELECT password_hash FROM users WHERE id = %s", person.id) == [("newer",)]
    database.close()


def test_a_user_without_a_password_cannot_sign_in(local: Service, new_user: Any) -> None:
    for password in ("", "None", "null", PASSWORD):
        assert local.login(new_user().email, password or " ").status == 401


def test_a_token_of_nobody_is_refused(local: Service, settings: Config) -> None:
    for subject in (str(uuid.uuid4()), "somebody", "", "../users"):
        token = OwnIssuer(settings).issue(subject, ["user"], 60)
        assert expect_shape(local.profile(token), 401)["message"] == "The token is of no user"


def test_a_users_token_opens_nothing_else(local: Service) -> None:
    member = local.join()
    for path in ("/api/v1/events", "/api/aws-info"):
        expect_shape(local.client.get(path, token=member.access), 403)


def test_the_keys_verify_the_tokens(local: Service) -> None:
    member = local.join()
    answer = local.client.get("/.well-known/jwks.json", token=None)
    assert answer.status == 200
    keys = jwt.PyJWKSet.from_dict(answer.json())
    key = keys[jwt.get_unverified_header(member.access)["kid"]]
    claims = jwt.decode(member.access, key, algorithms=["RS256"], audience="headgate", issuer="headgate")
    assert (claims["sub"], claims["scope"]) == (member.id, "user")
    assert [set(jwk) for jwk in answer.json()["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}]  # nothing private


def test_a_key_that_cannot_be_kept_is_an_outage(
    environment: dict[str, str], on_lambda: Connect, tmp_path: Path
) -> None:
    well = Service("local", on_lambda(environment), lambda email: None)
    member = well.join()
    (tmp_path / "file").touch()
    service = Service("local", on_lambda(environment | {"DATA_DIR": str(tmp_path / "file")}), lambda email: None)
    expect_shape(service.client.get("/.well-known/jwks.json", token=None), 503, "retry_after")
    for answer in (service.login(member.email), service.refresh(member.refresh)):
        expect_shape(answer, 503, "retry_after")
        assert str(tmp_path) not in answer.body.decode()
    assert well.refresh(member.refresh).status == 200  # the token was not spent


def test_a_key_that_is_replaced_is_used_at_once(tmp_path: Path) -> None:
    from service import config

    issuer = OwnIssuer(config.load({"DATA_DIR": str(tmp_path)}))
    before = issuer.public_keys()
    assert issuer.public_keys() == before
    (tmp_path / KEY_FILE).unlink()
    token = issuer.issue("somebody", [], 60)
    assert issuer.public_keys() != before
    assert jwt.get_unverified_header(token)["kid"] == issuer.public_keys()["keys"][0]["kid"]


@pytest.fixture
def elsewhere(environment: dict[str, str], on_lambda: Connect) -> Any:
    """A service that accepts the tokens of another issuer, and keeps no accounts."""
    issuer = Issuer()
    service = Service("elsewhere", on_lambda(environment | {"TOKEN_ISSUER": issuer.url}), lambda email: None)
    yield service, issuer
    issuer.close()


def test_accounts_that_another_issuer_keeps_are_not_found_here(elsewhere: tuple[Service, Issuer], rows: Any) -> None:
    service, issuer = elsewhere
    before = rows("SELECT count(*) FROM users")
    token = issuer.token(sub=str(uuid.uuid4()), scope="user")
    answers = [
        service.register(),
        service.login(address()),
        service.refresh("hgr_x"),
        service.client.post("/auth/login", json={}, token=None),
        service.client.post("/auth/logout", token=token),
    ]
    for answer in answers:
        assert expect_shape(answer, 404)["message"] == f"Accounts are kept by {issuer.url}"
    assert rows("SELECT count(*) FROM users") == before
    answer = service.client.get("/.well-known/jwks.json", token=None)
    assert f"{issuer.url}/.well-known/jwks.json" in expect_shape(answer, 404)["message"]


def test_a_user_of_another_issuer_who_has_a_row_has_a_profile(elsewhere: tuple[Service, Issuer], new_user: Any) -> None:
    service, issuer = elsewhere
    person = new_user()
    answer = service.profile(issuer.token(sub=str(person.id), scope="user"))
    assert (answer.status, answer.json()["email"]) == (200, person.email)
    assert service.profile(issuer.token(sub=str(uuid.uuid4()), scope="user")).status == 401


def test_answers_keep_their_time_while_the_database_is_gone(environment: dict[str, str], on_lambda: Connect) -> None:
    gone = environment | {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/none", "DEADLINE_SECONDS": "1"}
    service = Service("local", on_lambda(gone), lambda email: None)
    started = time.monotonic()
    for answer in (service.register(), service.login(address()), service.refresh("hgr_x")):
        expect_shape(answer, 503, "retry_after")
    assert time.monotonic() - started < 6


def test_a_registration_has_no_more_than_it_needs(local: Service, rows: Any) -> None:
    body = newcomer()
    made = local.client.post("/auth/register", json=body, token=None).json()
    ((row,),) = rows("SELECT to_jsonb(users)::text FROM users WHERE id = %s", made["userId"])
    kept = json.loads(row)
    assert (kept["email"], kept["first_name"], kept["last_name"]) == (body["email"], "Ada", "Lovelace")
    assert PASSWORD not in row
