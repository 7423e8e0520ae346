"""What every client relies on, whoever keeps the accounts and however the request arrives."""

from __future__ import annotations

import time
import uuid
from typing import Any

import jwt
import pytest

from service.accounts.schemas import Profile, Registered, SignedIn, Tokens
from tests.accounts.people import PASSWORD, Service, address
from tests.accounts.test_refresh_tokens import let_time_pass
from tests.test_errors import expect_shape
from tests.transports import Answer

NOT_ANY_MORE = "The refresh token is not good any more: sign in again"


def expect(answer: Answer, status: int, schema: Any) -> Any:
    """Check a success against the schema that documents it; return the body."""
    assert answer.status == status, answer.body
    body = answer.json()
    assert set(body) == set(schema().fields)
    assert schema().validate(body) == {}
    return body


def test_somebody_registers_and_signs_in(service: Service) -> None:
    email = address()
    made = expect(service.register(email=email), 201, Registered)
    assert made["email"] == email
    assert uuid.UUID(made["userId"])
    service.confirm(email)
    answer = service.login(email)
    signed_in = expect(answer, 200, SignedIn)
    assert (signed_in["tokenType"], signed_in["expiresIn"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"
    assert signed_in["refreshToken"].startswith("hgr_")
    user = signed_in["user"]
    assert (user["userId"], user["email"]) == (made["userId"], email)
    assert (user["firstName"], user["lastName"], user["timezone"], user["phone"]) == ("Ada", "Lovelace", "UTC", None)
    assert expect(service.profile(signed_in["accessToken"]), 200, Profile) == user


def test_an_access_token_is_good_for_an_hour(service: Service) -> None:
    member = service.join()
    claims = jwt.decode(member.access, options={"verify_signature": False})
    assert claims["sub"] == member.id
    assert abs(claims["exp"] - time.time() - 3600) < 60


@pytest.mark.parametrize("change", [str.upper, str.title], ids=["upper", "title"])
def test_an_address_is_one_in_any_case(service: Service, change: Any) -> None:
    email = address()
    member = service.join(email=email)
    assert service.member(change(email)).id == member.id
    refused = service.register(email=change(email))
    assert expect_shape(refused, 409)["message"] == "An account with this email exists"


def test_the_letters_of_an_address_can_be_large_at_first(service: Service) -> None:
    email = address()
    member = service.join(email=email.upper())
    assert service.member(email).id == member.id
    expect_shape(service.register(email=email), 409)


def test_a_wrong_pair_is_one_refusal_whatever_is_wrong(service: Service) -> None:
    member = service.join()
    answers = [
        service.login(member.email, PASSWORD + "x"),
        service.login(member.email, PASSWORD.lower()),
        service.login(address(), PASSWORD),
    ]
    bodies = [expect_shape(answer, 401) for answer in answers]
    assert {body["message"] for body in bodies} == {"The e-mail address or the password is wrong"}
    assert len({frozenset(answer.headers) for answer in answers}) == 1


def test_a_refresh_gives_new_tokens(service: Service) -> None:
    member = service.join()
    answer = service.refresh(member.refresh)
    given = expect(answer, 200, Tokens)
    assert answer.headers["cache-control"] == "no-store"
    assert (given["tokenType"], given["expiresIn"]) == ("Bearer", 3600)
    assert given["refreshToken"] != member.refresh
    assert service.profile(given["accessToken"]).json()["userId"] == member.id
    assert service.refresh(given["refreshToken"]).status == 200


def test_a_refresh_that_is_sent_twice_is_a_conflict_and_revokes_nothing(service: Service) -> None:
    member = service.join()
    given = service.refresh(member.refresh).json()
    expect_shape(service.refresh(member.refresh), 409)
    assert service.refresh(given["refreshToken"]).status == 200


def test_a_token_that_was_replaced_before_ends_its_family(service: Service, rows: Any) -> None:
    member = service.join()
    other = service.member(member.email)
    newest = service.refresh(service.refresh(member.refresh).json()["refreshToken"]).json()["refreshToken"]
    let_time_pass(rows, member.id, "11 seconds")
    assert expect_shape(service.refresh(member.refresh), 401)["message"] == NOT_ANY_MORE
    assert expect_shape(service.refresh(newest), 401)["message"] == NOT_ANY_MORE
    assert service.refresh(other.refresh).status == 200  # who signed in elsewhere stays so


@pytest.mark.parametrize(
    "token",
    ["hgr_unknown", "x", "hgr_", "hgr_a.b.c", "hgr_a.äöü.c", "a.b.c", "." * 100, "é" * 8000],
    ids=lambda token: token[:20],
)
def test_a_refresh_token_that_is_none_is_refused(service: Service, token: str) -> None:
    assert expect_shape(service.refresh(token), 401)["message"] == NOT_ANY_MORE


def test_half_a_refresh_token_is_refused(service: Service) -> None:
    member, thief = service.join(), service.join()
    ours, theirs = member.refresh.split(".", 1), thief.refresh.split(".", 1)
    parts = [ours[0], *ours[1:], ours[0] + "." + theirs[-1], theirs[0] + "." + ours[-1], member.refresh[:-1]]
    for token in {*parts, member.refresh + "x", member.refresh + "."} - {member.refresh}:
        expect_shape(service.refresh(token), 401)
    assert service.refresh(member.refresh).status == 200


def test_a_family_ends_after_30_days_however_often_it_was_refreshed(service: Service, rows: Any) -> None:
    member = service.join()
    newest = service.refresh(member.refresh).json()["refreshToken"]
    let_time_pass(rows, member.id, "29 days 23 hours")
    newest = service.refresh(newest).json()["refreshToken"]
    let_time_pass(rows, member.id, "1 hour")
    assert expect_shape(service.refresh(newest), 401)["message"] == NOT_ANY_MORE


def test_signing_out_with_a_token_ends_its_family_alone(service: Service) -> None:
    member = service.join()
    other = service.member(member.email)
    newest = service.refresh(member.refresh).json()["refreshToken"]
    for token in (member.refresh, member.refresh):  # a replaced one names the family too; twice is as once
        answer = service.logout(member, token)
        assert (answer.status, answer.body) == (204, b"")
    expect_shape(service.refresh(newest), 401)
    assert service.refresh(other.refresh).status == 200


def test_signing_out_without_a_token_ends_every_family(service: Service) -> None:
    member = service.join()
    other = service.member(member.email)
    stranger = service.join()
    assert [service.logout(member).status, service.logout(member).status] == [204, 204]
    for token in (member.refresh, other.refresh):
        assert expect_shape(service.refresh(token), 401)["message"] == NOT_ANY_MORE
    assert service.refresh(stranger.refresh).status == 200
    assert service.refresh(service.member(member.email).refresh).status == 200


def test_an_empty_object_signs_out_as_no_body_does(service: Service) -> None:
    member = service.join()
    assert service.client.post("/auth/logout", json={}, token=member.access).status == 204
    expect_shape(service.refresh(member.refresh), 401)


def test_nobody_signs_somebody_else_out(service: Service) -> None:
    member, stranger = service.join(), service.join()
    assert service.logout(stranger, member.refresh).status == 204  # as for a token that there never was
    assert service.logout(stranger, "hgr_unknown").status == 204
    assert service.refresh(member.refresh).status == 200


def test_a_profile_is_replaced(service: Service) -> None:
    member = service.join()
    before = service.profile(member.access).json()
    new = {"firstName": "Åsa", "lastName": "O'Neil-李", "timezone": "Asia/Tokyo", "phone": "+815012345678"}
    after = expect(service.client.put("/users/profile", json=new, token=member.access), 200, Profile)
    assert after == before | new | {"updatedAt": after["updatedAt"]}
    assert after["updatedAt"] > before["updatedAt"]
    assert service.profile(member.access).json() == after
    assert service.member(member.email).id == member.id
    assert service.profile(member.access).json() == after  # signing in does not bring the old one back
    del new["phone"]
    assert service.client.put("/users/profile", json=new, token=member.access).json()["phone"] is None


def test_a_profile_needs_a_user(service: Service) -> None:
    for method in ("GET", "PUT"):
        expect_shape(service.client.request(method, "/users/profile", token=None), 401)
    expect_shape(service.client.post("/auth/logout", token=None), 401)
