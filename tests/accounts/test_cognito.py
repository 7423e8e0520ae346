"""What a user pool of Amazon Cognito adds: users with rows of their own, refusals of its kinds, and outages."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from service import deadline
from service.accounts import queries
from service.accounts.cognito import CognitoAccounts
from service.config import CognitoConfig, Config
from service.database import Database
from service.errors import ServiceUnavailable
from tests.accounts.conftest import pool_service
from tests.accounts.people import PASSWORD, Member, Service, address, newcomer
from tests.accounts.pools import SCOPE, Cognito
from tests.accounts.test_refresh_tokens import let_time_pass
from tests.test_errors import expect_shape
from tests.transports import Client

Connect = Callable[..., Client]


@pytest.fixture
def service(cognito_lambda: Service) -> Service:
    return cognito_lambda


@pytest.fixture
def pool(pool_environment: dict[str, str]) -> str:
    return pool_environment["COGNITO_USER_POOL_ID"]


@pytest.fixture
def token(cognito: Cognito, pool_environment: dict[str, str]) -> Callable[..., str]:
    """Signs a user in at the pool itself, as a page of Cognito's would; returns the access token."""

    def sign_in(email: str, password: str = PASSWORD) -> str:
        answer = cognito.admin.initiate_auth(
            ClientId=pool_environment["COGNITO_CLIENT_ID"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return str(answer["AuthenticationResult"]["AccessToken"])

    return sign_in


def kept(member: Member) -> str:
    """Return the pool's refresh token within ours."""
    return member.refresh.split(".", 2)[2]


def test_a_registration_is_the_pools(service: Service, cognito: Cognito, pool: str, rows: Any) -> None:
    email = address()
    answer = service.register(email=email.upper(), firstName="Åsa")
    assert answer.json()["message"] == "The account is made: confirm the e-mail address as the message to it says"
    ((operation, sent),) = cognito.calls
    assert operation == "SignUp"
    assert sent["Username"] == email
    assert {a["Name"]: a["Value"] for a in sent["UserAttributes"]} == {
        "email": email,
        "given_name": "Åsa",
        "family_name": "Lovelace",
    }
    assert "SecretHash" not in sent
    found = cognito.admin.admin_get_user(UserPoolId=pool, Username=email)
    assert found["Username"] == answer.json()["userId"]
    assert rows("SELECT count(*) FROM users WHERE lower(email) = %s", email) == [(0,)]  # who knows whose it is


def test_nobody_signs_in_before_the_address_is_confirmed(service: Service) -> None:
    email = address()
    service.register(email=email)
    for _ in range(12):  # a program that asks until it is
        answer = service.login(email)
        assert expect_shape(answer, 403)["message"] == "The account must be confirmed before its user can sign in"
    service.confirm(email)
    assert service.login(email).status == 200


def test_an_unconfirmed_address_is_taken_all_the_same(service: Service) -> None:
    email = address()
    service.register(email=email)
    expect_shape(service.register(email=email), 409)


def test_an_access_token_is_the_pools(service: Service, pool: str) -> None:
    claims = jwt.decode(service.join().access, options={"verify_signature": False})
    assert claims["iss"] == f"https://cognito-idp.eu-west-1.amazonaws.com/{pool}"
    assert claims["scope"] == SCOPE


def test_a_user_gets_a_row_with_the_first_request(
    service: Service, cognito: Cognito, token: Callable[..., str], rows: Any
) -> None:
    email = address()
    user_id = service.register(email=email).json()["userId"]
    service.confirm(email)
    access = token(email)
    cognito.calls.clear()
    profile = service.profile(access).json()
    assert (profile["userId"], profile["email"]) == (user_id, email)
    assert (profile["firstName"], profile["lastName"], profile["timezone"]) == ("Ada", "Lovelace", "UTC")
    assert service.profile(access).json() == profile
    assert cognito.operations() == ["GetUser"]
    assert rows("SELECT password_hash FROM users WHERE id = %s", user_id) == [(None,)]


def test_a_users_first_requests_at_once_make_one_row(
    cognito_gunicorn: Service, token: Callable[..., str], rows: Any
) -> None:
    email = address()
    cognito_gunicorn.register(email=email)
    cognito_gunicorn.confirm(email)
    access, answers = token(email), []
    threads = [threading.Thread(target=lambda: answers.append(cognito_gunicorn.profile(access))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 8
    assert rows("SELECT count(*) FROM users WHERE email = %s", email) == [(1,)]


def test_any_route_of_users_adds_the_row(service: Service, token: Callable[..., str]) -> None:
    email = address()
    service.register(email=email)
    service.confirm(email)
    body = {"firstName": "Grace", "lastName": "Hopper", "timezone": "America/New_York"}
    answer = service.client.put("/users/profile", json=body, token=token(email))
    assert (answer.status, answer.json()["firstName"]) == (200, "Grace")


def test_behind_api_gateway_the_claims_are_in_the_event_and_the_token_in_the_header(
    pool_environment: dict[str, str], on_lambda: Connect, service: Service, token: Callable[..., str]
) -> None:
    email = address()
    user_id = service.register(email=email).json()["userId"]
    service.confirm(email)
    access = token(email)
    claims = {"sub": user_id, "scope": SCOPE}
    context = {"authorizer": {"jwt": {"claims": claims, "scopes": None}}, "http": {"method": "GET"}}
    client = on_lambda(pool_environment, requestContext=context)
    assert client.get("/users/profile", token=access).json()["userId"] == user_id


def test_a_token_of_another_user_than_the_claims_adds_nobody(
    pool_environment: dict[str, str], on_lambda: Connect, service: Service
) -> None:
    member = service.join()
    claims = {"sub": str(uuid.uuid4()), "scope": SCOPE}
    context = {"authorizer": {"jwt": {"claims": claims, "scopes": None}}, "http": {"method": "GET"}}
    client = on_lambda(pool_environment, requestContext=context)
    assert expect_shape(client.get("/users/profile", token=member.access), 401)


def test_a_token_that_the_pool_does_not_know_any_more_adds_nobody(
    service: Service, cognito: Cognito, token: Callable[..., str], pool: str
) -> None:
    email = address()
    service.register(email=email)
    service.confirm(email)
    access = token(email)
    cognito.admin.admin_user_global_sign_out(UserPoolId=pool, Username=email)
    assert expect_shape(service.profile(access), 401)["message"] == "The token is of no user"


def test_names_that_our_rules_do_not_allow_are_kept_as_far_as_they_fit(
    service: Service, cognito: Cognito, pool: str
) -> None:
    email = address()
    cognito.admin.admin_create_user(
        UserPoolId=pool,
        Username=email,
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "given_name", "Value": "R2-D2" * 20}],
    )
    cognito.admin.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    user = service.login(email).json()["user"]
    assert (user["firstName"], user["lastName"]) == ("R2-D2" * 10, None)


def test_an_address_follows_the_pool_when_its_user_signs_in(service: Service, cognito: Cognito, pool: str) -> None:
    member, new = service.join(), address()
    before = service.profile(member.access).json()
    cognito.admin.admin_update_user_attributes(
        UserPoolId=pool, Username=member.email, UserAttributes=[{"Name": "email", "Value": new}]
    )
    after = service.login(new).json()["user"]
    assert after == before | {"email": new, "updatedAt": after["updatedAt"]}


def test_an_address_that_another_row_has_is_refused_and_nobody_loses_theirs(
    service: Service, new_user: Any, token: Callable[..., str]
) -> None:
    """Somebody of the pool's past, or of the time before there was a pool."""
    person = new_user()
    service.register(email=person.email)
    service.confirm(person.email)
    message = "Another account here has this e-mail address"
    assert expect_shape(service.login(person.email), 403)["message"] == message
    assert expect_shape(service.profile(token(person.email)), 403)["message"] == message


def test_a_user_without_an_address_is_refused(
    service: Service, cognito: Cognito, on_lambda: Connect, pool_environment: Any
) -> None:
    plain = pool_environment | cognito.create()
    pool = plain["COGNITO_USER_POOL_ID"]
    email = address()
    cognito.admin.admin_create_user(UserPoolId=pool, Username=email)
    cognito.admin.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
    answer = pool_service(on_lambda(plain), plain, cognito).login(email)
    assert expect_shape(answer, 403)["message"] == "The account has no e-mail address"


def test_another_step_is_not_to_be_had_here(service: Service, cognito: Cognito, pool: str) -> None:
    email = address()
    cognito.admin.admin_create_user(UserPoolId=pool, Username=email, TemporaryPassword=PASSWORD)
    for _ in range(11):
        message = expect_shape(service.login(email), 403)["message"]
        assert (
            message
            == "Signing in to this account needs another step, which is not to be had here (NEW_PASSWORD_REQUIRED)"
        )


def test_a_disabled_user_is_a_wrong_pair(service: Service, cognito: Cognito, pool: str) -> None:
    member = service.join()
    cognito.admin.admin_disable_user(UserPoolId=pool, Username=member.email)
    assert expect_shape(service.login(member.email), 401)["message"] == "The e-mail address or the password is wrong"


def test_reuse_revokes_the_token_of_the_pool_too(service: Service, cognito: Cognito, rows: Any) -> None:
    member = service.join()
    newest = service.refresh(member.refresh).json()["refreshToken"]
    assert newest.split(".", 2)[2] == kept(member)
    let_time_pass(rows, member.id, "1 minute")
    expect_shape(service.refresh(member.refresh), 401)
    assert cognito.operations()[-1] == "RevokeToken"
    assert cognito.is_revoked(kept(member))


def test_a_double_submit_revokes_nothing_in_the_pool(service: Service, cognito: Cognito) -> None:
    member = service.join()
    service.refresh(member.refresh)
    expect_shape(service.refresh(member.refresh), 409)
    assert not cognito.is_revoked(kept(member))


def test_signing_out_revokes_the_token_of_the_pool_too(service: Service, cognito: Cognito) -> None:
    member = service.join()
    other = service.member(member.email)
    assert service.logout(member, member.refresh).status == 204
    assert cognito.is_revoked(kept(member))
    assert not cognito.is_revoked(kept(other))
    assert service.logout(member).status == 204
    assert cognito.is_revoked(kept(other))
    assert cognito.operations()[-1] == "GlobalSignOut"


def test_nobody_revokes_somebody_elses_token_of_the_pool(service: Service, cognito: Cognito) -> None:
    member, stranger = service.join(), service.join()
    service.logout(stranger, member.refresh)
    assert not cognito.is_revoked(kept(member))


def test_a_client_whose_tokens_cannot_be_revoked_signs_out_all_the_same(service: Service, cognito: Cognito) -> None:
    member = service.join()
    cognito.refuse["RevokeToken"] = ("UnsupportedOperationException", "not enabled")
    assert service.logout(member, member.refresh).status == 204
    expect_shape(service.refresh(member.refresh), 401)


def test_a_refresh_token_that_the_pool_has_revoked_is_refused(service: Service, cognito: Cognito, pool: str) -> None:
    member = service.join()
    cognito.admin.admin_user_global_sign_out(UserPoolId=pool, Username=member.email)
    expect_shape(service.refresh(member.refresh), 401)


def test_the_pool_is_not_asked_about_tokens_that_were_never_given(service: Service, cognito: Cognito) -> None:
    expect_shape(service.refresh("hgr_a.b.c"), 401)
    assert cognito.calls == []


def test_a_token_from_before_there_was_a_pool_is_refused_and_can_be_revoked(
    service: Service, cognito: Cognito, settings: Config, rows: Any
) -> None:
    member, token, database = service.join(), "hgr_of-the-service-itself", Database(settings)
    digest = hashlib.sha256(token.encode()).digest()
    database.statement(queries.begin_family, str(uuid.uuid4()), member.id, digest)
    database.close()
    cognito.calls.clear()
    expect_shape(service.refresh(token), 401)
    assert service.logout(member, token).status == 204
    assert rows(
        "SELECT revoked_at IS NULL FROM refresh_families JOIN refresh_tokens ON family_id = id WHERE hash = %s", digest
    ) == [(False,)]
    assert cognito.calls == []


def test_a_new_refresh_token_of_the_pool_replaces_the_one_within_ours(
    service: Service, cognito: Cognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool can be told to replace its own at each use."""
    member = service.join()
    forward = cognito.forward

    def with_a_new_one(*arguments: Any) -> tuple[int, bytes]:
        status, body = forward(*arguments)
        return status, body.replace(b'"TokenType"', b'"RefreshToken": "of-the-pool", "TokenType"')

    monkeypatch.setattr(cognito, "forward", with_a_new_one)
    assert service.refresh(member.refresh).json()["refreshToken"].endswith(".of-the-pool")


def test_a_client_with_a_secret_proves_that_it_knows_it(
    cognito: Cognito, pool_environment: dict[str, str], on_lambda: Connect, rows: Any
) -> None:
    environment = pool_environment | cognito.create(is_secret=True)
    service = pool_service(on_lambda(environment), environment, cognito)
    member = service.join()
    assert service.refresh(member.refresh).status == 200
    let_time_pass(rows, member.id, "1 minute")
    expect_shape(service.refresh(member.refresh), 401)
    sent = dict(cognito.calls)
    assert sent["SignUp"]["SecretHash"] == sent["InitiateAuth"]["AuthParameters"]["SECRET_HASH"]
    assert sent["RevokeToken"]["ClientSecret"] == environment["COGNITO_CLIENT_SECRET"]


REFUSALS = {
    "SignUp: the address is taken": ("SignUp", "UsernameExistsException", 409),
    "SignUp: an alias is taken": ("SignUp", "AliasExistsException", 409),
    "SignUp: the pool's own policy": ("SignUp", "InvalidPasswordException", 422),
    "SignUp: a parameter": ("SignUp", "InvalidParameterException", 422),
    "SignUp: a function of the pool": ("SignUp", "UserLambdaValidationException", 422),
    "SignUp: no client": ("SignUp", "ResourceNotFoundException", 503),
    "SignUp: too many": ("SignUp", "TooManyRequestsException", 503),
    "SignUp: too many a day": ("SignUp", "LimitExceededException", 503),
    "SignUp: no mail": ("SignUp", "CodeDeliveryFailureException", 503),
    "InitiateAuth: a wrong pair": ("InitiateAuth", "NotAuthorizedException", 401),
    "InitiateAuth: an unknown address": ("InitiateAuth", "UserNotFoundException", 401),
    "InitiateAuth: a password to reset": ("InitiateAuth", "PasswordResetRequiredException", 401),
    "InitiateAuth: unconfirmed": ("InitiateAuth", "UserNotConfirmedException", 403),
    "InitiateAuth: no such flow": ("InitiateAuth", "InvalidParameterException", 503),
    "InitiateAuth: too many": ("InitiateAuth", "TooManyRequestsException", 503),
    "InitiateAuth: throttled": ("InitiateAuth", "ThrottlingException", 503),
    "InitiateAuth: an error": ("InitiateAuth", "InternalErrorException", 503),
    "GetUser: revoked": ("GetUser", "NotAuthorizedException", 401),
    "GetUser: deleted": ("GetUser", "UserNotFoundException", 401),
    "GetUser: too many": ("GetUser", "TooManyRequestsException", 503),
}


@pytest.mark.parametrize(("operation", "code", "status"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_of_cognito(service: Service, cognito: Cognito, operation: str, code: str, status: int) -> None:
    email = service.join().email
    cognito.refuse[operation] = (code, "text-of-the-pool")
    answer = service.register() if operation == "SignUp" else service.login(email)
    expect_shape(answer, status, *{422: ["details"], 503: ["retry_after"]}.get(status, []))
    assert b"text-of-the-pool" not in answer.body


REFRESH_REFUSALS = {"NotAuthorizedException": 401, "UserNotFoundException": 401, "TooManyRequestsException": 503}


@pytest.mark.parametrize(("code", "status"), REFRESH_REFUSALS.items())
def test_a_refusal_of_a_refresh_costs_no_token(service: Service, cognito: Cognito, code: str, status: int) -> None:
    member = service.join()
    cognito.refuse["InitiateAuth"] = (code, "no")
    expect_shape(service.refresh(member.refresh), status, *(["retry_after"] if status == 503 else []))
    cognito.reset()
    assert service.refresh(member.refresh).status == 200


def test_a_wrong_secret_of_ours_is_no_wrong_password_of_theirs(service: Service, cognito: Cognito, rows: Any) -> None:
    cognito.refuse["InitiateAuth"] = ("NotAuthorizedException", "Unable to verify secret hash for client x")
    expect_shape(service.login(address()), 503, "retry_after")
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(0,)]


def test_an_outage_of_cognito_is_told_as_one_and_costs_nothing(service: Service, cognito: Cognito, rows: Any) -> None:
    member = service.join()
    cognito.is_gone = True
    answers = [service.register(), service.refresh(member.refresh), service.logout(member, member.refresh)]
    answers += [service.login(member.email) for _ in range(11)]
    for answer in answers:
        expect_shape(answer, 503, "retry_after")
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(0,)]
    cognito.is_gone = False
    assert service.logout(member, member.refresh).status == 204
    assert cognito.is_revoked(kept(member))


def test_reuse_during_an_outage_is_told_to_the_pool_when_it_is_tried_again(
    service: Service, cognito: Cognito, rows: Any
) -> None:
    member = service.join()
    newest = service.refresh(member.refresh).json()["refreshToken"]
    let_time_pass(rows, member.id, "1 minute")
    cognito.refuse["RevokeToken"] = ("InternalErrorException", "no")
    expect_shape(service.refresh(member.refresh), 503, "retry_after")
    cognito.reset()
    expect_shape(service.refresh(newest), 401)  # with us it is revoked already
    expect_shape(service.refresh(member.refresh), 401)
    assert cognito.is_revoked(kept(member))


def test_a_cognito_that_hangs_costs_the_deadline_and_no_more(
    cognito: Cognito, pool_environment: dict[str, str], on_lambda: Connect
) -> None:
    environment = pool_environment | {"DEADLINE_SECONDS": "2"}
    service = pool_service(on_lambda(environment), environment, cognito)
    cognito.delay = 4
    for send in (service.register, lambda: service.login(address())):
        started = time.monotonic()
        expect_shape(send(), 503, "retry_after")
        assert time.monotonic() - started < 2
    assert cognito.operations() == ["SignUp", "InitiateAuth"]  # and none was sent twice


def test_a_call_that_could_outlast_the_deadline_is_not_begun(cognito: Cognito, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cognito.url)
    accounts = CognitoAccounts(CognitoConfig("eu-west-1_a", "b", None), 4.5)
    deadline.start(2)
    try:
        with pytest.raises(ServiceUnavailable):
            accounts.register("a@example.com", PASSWORD, "Ada", "Lovelace")
    finally:
        deadline.clear()
    assert cognito.calls == []


def test_the_keys_are_the_pools(service: Service, pool_environment: dict[str, str]) -> None:
    answer = service.client.get("/.well-known/jwks.json", token=None)
    assert pool_environment["TOKEN_JWKS_URL"] in expect_shape(answer, 404)["message"]


def test_a_password_that_the_pool_refuses(service: Service, cognito: Cognito) -> None:
    answer = service.client.post("/auth/register", json=newcomer(password=PASSWORD + "x" * 100), token=None)
    body = expect_shape(answer, 422, "details")  # moto's pool takes 98 characters
    assert body["details"]["errors"] == [
        {"path": "password", "message": "Must meet the password policy of the user pool"}
    ]
