"""Every rule of what accounts take, over both transports. Which provider keeps them makes no difference here."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from service import published
from service.accounts.fields import time_zones
from service.accounts.schemas import Registration
from service.validation import load
from tests.accounts.people import PASSWORD, Service, newcomer
from tests.test_errors import expect_shape
from tests.transports import Answer

PROFILE = {"firstName": "Ada", "lastName": "Lovelace", "timezone": "Europe/London", "phone": "+442071234567"}

NOT_TEXTS = {"null": None, "a number": 7, "a list": ["a"], "an object": {}, "true": True}
EMPTY = "Must not be empty"
NUL = "A text cannot hold the character NUL (\\u0000)"
AN_ADDRESS = "Must be an e-mail address"
LETTERS = "Must have only letters, apostrophes, hyphens and spaces"
FIRST = "Must begin with a letter"
COMMON = "Must not be a common password, nor one with a few characters changed"

EMAILS = {
    "empty": ("", EMPTY),
    "no @": ("ada.example.com", AN_ADDRESS),
    "two @": ("ada@home@example.com", AN_ADDRESS),
    "no name": ("@example.com", AN_ADDRESS),
    "no domain": ("ada@", AN_ADDRESS),
    "a domain of one label": ("ada@localhost", AN_ADDRESS),
    "an IP address": ("ada@127.0.0.1", AN_ADDRESS),
    "a literal": ("ada@[127.0.0.1]", AN_ADDRESS),
    "a dot at the start": (".ada@example.com", AN_ADDRESS),
    "a dot at the end": ("ada.@example.com", AN_ADDRESS),
    "two dots": ("a..da@example.com", AN_ADDRESS),
    "two dots in the domain": ("ada@example..com", AN_ADDRESS),
    "a hyphen at the start of a label": ("ada@-example.com", AN_ADDRESS),
    "a hyphen at the end of a label": ("ada@example-.com", AN_ADDRESS),
    "an underscore in the domain": ("ada@exa_mple.com", AN_ADDRESS),
    "a label of 64": (f"ada@{'a' * 64}.com", AN_ADDRESS),
    "a top of digits": ("ada@example.123", AN_ADDRESS),
    "a top of one letter": ("ada@example.c", AN_ADDRESS),
    "a dot at the very end": ("ada@example.com.", AN_ADDRESS),
    "a name of 65": (f"{'a' * 65}@example.com", AN_ADDRESS),
    "255 characters": (f"a@{'a' * 61}.{'a' * 63}.{'a' * 63}.{'a' * 60}.com", "Must have at most 254 characters"),
    "a space": ("ada lovelace@example.com", AN_ADDRESS),
    "spaces around": (" ada@example.com ", AN_ADDRESS),
    "a line feed at the end": ("ada@example.com\n", AN_ADDRESS),
    "a header after it": ("ada@example.com\r\nBcc: eve@example.com", AN_ADDRESS),
    "a name before it": ("Ada <ada@example.com>", AN_ADDRESS),
    "quotes": ('"ada lovelace"@example.com', AN_ADDRESS),
    "a letter that is no ASCII": ("adä@example.com", AN_ADDRESS),
    "a domain that is no ASCII": ("ada@exämple.com", AN_ADDRESS),
    "a digit that is no ASCII": ("ada\u0661@example.com", AN_ADDRESS),
    "NUL": ("ada\0@example.com", NUL),
    **{name: (value, "Must be a text") for name, value in NOT_TEXTS.items()},
}
NAMES = {
    "empty": ("", EMPTY),
    "51 letters": ("a" * 51, "Must have at most 50 characters"),
    "a digit": ("Ada2", LETTERS),
    "a digit of another script": ("Ada٢", LETTERS),
    "a digit at the start": ("2Ada", FIRST),
    "a space at the start": (" Ada", FIRST),
    "a hyphen at the start": ("-Ada", FIRST),
    "a mark at the start": ("\u0301Ada", FIRST),
    "only an apostrophe": ("'", FIRST),
    "a dot": ("J. Ada", LETTERS),
    "markup": ("Ada<b>", LETTERS),
    "an underscore": ("Ada_L", LETTERS),
    "a line feed": ("Ada\n", LETTERS),
    "a tab": ("Ada\tL", LETTERS),
    "a space that is no space": ("Ada\u00a0L", LETTERS),
    "a mark of direction": ("Ada\u202e", LETTERS),
    "an emoji": ("Ada😀", LETTERS),
    "a superscript": ("Ada²", LETTERS),
    "NUL": ("Ada\0", NUL),
    **{name: (value, "Must be a text") for name, value in NOT_TEXTS.items()},
}
LAST_NAMES = {name: NAMES[name] for name in ("empty", "51 letters", "a digit", "a space at the start", "NUL", "null")}
PASSWORDS = {
    "empty": ("", [EMPTY]),
    "7 characters": ("Zebra-7", ["Must have at least 8 characters"]),
    "129 characters": (PASSWORD + "x" * 113, ["Must have at most 128 characters"]),
    "no lower-case letter": ("ZEBRA-CROSSING-7", ["Must have a lower-case letter"]),
    "no upper-case letter": ("zebra-crossing-7", ["Must have an upper-case letter"]),
    "no digit": ("Zebra-crossing-x", ["Must have a digit"]),
    "no symbol": ("Zebracrossing7", ["Must have a symbol"]),
    "a space for a symbol": ("Zebra crossing 7", ["Must have a symbol"]),
    "letters of another script": ("жЖ-7777777", ["Must have a lower-case letter", "Must have an upper-case letter"]),
    "a digit of another script": ("Zebra-crossing-\u0667", ["Must have a digit"]),
    "a letter for a symbol": ("Zebracrossing7é", ["Must have a symbol"]),
    "everything": (
        "\u00e9",
        [
            "Must have at least 8 characters",
            "Must have a lower-case letter",
            "Must have an upper-case letter",
            "Must have a digit",
            "Must have a symbol",
        ],
    ),
    "NUL": (PASSWORD + "\0", [NUL]),
    **{name: (value, ["Must be a text"]) for name, value in NOT_TEXTS.items()},
}
COMMON_PASSWORDS = (
    "Password1!", "P@ssw0rd1!", "PASSWORd1!", "Passw0rd!", "pASSWORD1!", "Pa$$w0rd1", "!1Password", "Pass@word1",
    "We1come#1", "Welcome2024!", "Summer2026!", "5uMMer!2026", "Qwerty123!", "Qwertyuiop1!", "1qaz@WSX", "1Qaz2wsx!",
    "Abc123!@#", "Aa123456!", "Admin@123", "Adm1n!2345", "!L0vey0u1", "L3tme1n!", "Letmein!1", "Ch@ngeme1", "Trustno1!",
    "Football#1", "Dr@gon2020", "Monkey_123", "Iloveyou1!", "Sunshine-1", "A1b2c3d4!", "Q1w2e3r4!",
)  # fmt: skip
ZONES = {
    "empty": ("", EMPTY),
    "no name": ("Mars/Olympus", "Must be the name of a time zone, such as Europe/London"),
    "another case": ("europe/london", "Must be the name of a time zone, such as Europe/London"),
    "an offset": ("+02:00", "Must be the name of a time zone, such as Europe/London"),
    "what PostgreSQL would take for one": ("EST5EDT4", "Must be the name of a time zone, such as Europe/London"),
    "a path": ("../../etc/passwd", "Must be the name of a time zone, such as Europe/London"),
    "a space at the end": ("UTC ", "Must be the name of a time zone, such as Europe/London"),
    "256 characters": ("a" * 256, "Must have at most 255 characters"),
    "NUL": ("UTC\0", NUL),
    **{name: (value, "Must be a text") for name, value in NOT_TEXTS.items()},
}
A_PHONE = "Must be a number such as +442071234567 (E.164)"
PHONES = {
    "empty": ("", EMPTY),
    "no plus": ("442071234567", A_PHONE),
    "a zero at the start": ("+042071234567", A_PHONE),
    "one digit": ("+4", A_PHONE),
    "16 digits": ("+4420712345678901", "Must have at most 16 characters"),
    "spaces": ("+44 20 7123 4567", A_PHONE),
    "letters": ("+44CALLNOW", A_PHONE),
    "digits of another script": ("+٤٤٢٠٧١٢٣٤٥٦٧", A_PHONE),
    "a line feed": ("+44207123456\n", A_PHONE),
    **{name: (value, "Must be a text") for name, value in NOT_TEXTS.items() if name != "null"},
}


def cases(tables: dict[str, dict[str, tuple[Any, Any]]]) -> Any:
    found = [
        pytest.param(key, value, rules if isinstance(rules, list) else [rules], id=f"{key}: {name}")
        for key, table in tables.items()
        for name, (value, rules) in table.items()
    ]
    return pytest.mark.parametrize(("key", "value", "rules"), found)


def violations(answer: Answer) -> list[tuple[str, str]]:
    body = expect_shape(answer, 422, "details")
    return [(violation["path"], violation["message"]) for violation in body["details"]["errors"]]


def expect_null(rules: list[str], value: Any) -> list[str]:
    return ["Field may not be null."] if value is None else rules


@cases({"email": EMAILS, "password": PASSWORDS, "firstName": NAMES, "lastName": LAST_NAMES})
def test_a_registration_that_breaks_a_rule(local: Service, key: str, value: Any, rules: list[str]) -> None:
    answer = local.client.post("/auth/register", json=newcomer() | {key: value}, token=None)
    assert violations(answer) == [(key, rule) for rule in expect_null(rules, value)]


@pytest.mark.parametrize("password", COMMON_PASSWORDS)
def test_a_password_that_is_tried_first(local: Service, password: str) -> None:
    assert violations(local.register(password=password)) == [("password", COMMON)]


@pytest.mark.parametrize("key", ["email", "password", "firstName", "lastName"])
def test_a_registration_that_lacks_a_key(local: Service, key: str) -> None:
    assert violations(local.register(**{key: None})) == [(key, EMPTY)]


def test_a_registration_that_breaks_many_rules_names_them_all(local: Service) -> None:
    answer = local.client.post("/auth/register", json={"email": "x", "password": "y", "role": "admin"}, token=None)
    assert {path for path, _ in violations(answer)} == {"email", "password", "firstName", "lastName", "role"}


GOOD_EMAILS = [
    "a@b.co",
    "ada.lovelace+tag@mail.example.co.uk",
    "!#$%&'*+/=?^_`{|}~-@example.com",
    "ada@xn--exmple-cua.com",
    "1@2.example",
    f"{'a' * 64}@example.com",
    f"a@{'a' * 63}.{'a' * 63}.{'a' * 63}.{'a' * 56}.com",
]
GOOD_NAMES = [
    "A",
    "Åsa",
    "José",
    "Jose\u0301",
    "O'Neil",
    "Anne-Marie",
    "van der Berg",
    "李",
    "Владимир",
    "محمد",
    "अनीता",
    "x" * 50,
]
GOOD_PASSWORDS = [
    "Zebra-7x",
    "Zebra-crossing-7" + "x" * 112,
    "жЖaA1!жж",
    "aA1 aA1 aA1!",
    "😀aA1!😀😀😀",
    "Tr0ub4dor&3",
    "Xkcd-936",
]
GOOD_PHONES = ["+12", "+442071234567", "+123456789012345", None]


@pytest.mark.parametrize("email", GOOD_EMAILS)
def test_an_address_that_is_accepted(email: str) -> None:
    assert load(Registration(), newcomer(email=email))["email"] == email


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_that_is_accepted_is_kept_as_it_is(local_lambda: Service, name: str) -> None:
    user = local_lambda.login(local_lambda.join(firstName=name, lastName=name).email).json()["user"]
    assert (user["firstName"], user["lastName"]) == (name, name)


@pytest.mark.parametrize("password", GOOD_PASSWORDS)
def test_a_password_that_is_accepted_signs_in(local_lambda: Service, password: str) -> None:
    assert local_lambda.join(password=password).id


@cases({"firstName": NAMES, "lastName": LAST_NAMES, "timezone": ZONES, "phone": PHONES})
def test_a_profile_that_breaks_a_rule(client: Any, new_user: Any, key: str, value: Any, rules: list[str]) -> None:
    answer = client.put("/users/profile", json=PROFILE | {key: value}, token=new_user().token)
    assert violations(answer) == [(key, rule) for rule in expect_null(rules, value)]


@pytest.mark.parametrize("key", ["firstName", "lastName", "timezone"])
def test_a_profile_that_lacks_a_key(client: Any, new_user: Any, key: str) -> None:
    body = {name: value for name, value in PROFILE.items() if name != key}
    answer = client.put("/users/profile", json=body, token=new_user().token)
    assert violations(answer) == [(key, EMPTY)]


@pytest.mark.parametrize("key", ["email", "userId", "createdAt", "password", "passwordHash"])
def test_what_a_user_cannot_change_is_no_key_of_a_profile(client: Any, new_user: Any, key: str) -> None:
    answer = client.put("/users/profile", json=PROFILE | {key: "x"}, token=new_user().token)
    assert violations(answer) == [(key, "Unknown key")]


@pytest.mark.parametrize("phone", GOOD_PHONES)
def test_a_number_that_is_accepted(client: Any, new_user: Any, phone: str | None) -> None:
    answer = client.put("/users/profile", json=PROFILE | {"phone": phone}, token=new_user().token)
    assert (answer.status, answer.json()["phone"]) == (200, phone)


def test_every_time_zone_is_known_to_the_database_too(rows: Any, new_user: Any) -> None:
    person = new_user()
    assert len(time_zones()) > 500
    assert {"UTC", "Europe/London", "America/Argentina/Buenos_Aires"} <= set(time_zones())
    for zone in time_zones():
        rows("UPDATE users SET timezone = %s WHERE id = %s", zone, person.id)


def test_a_zone_that_the_database_does_not_know_is_refused(
    handler: Any, new_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may be of an older release than the list of names."""
    from tests.transports import LambdaClient

    monkeypatch.setitem(time_zones(), "Mars/Olympus", None)
    answer = LambdaClient(handler).put(
        "/users/profile", json=PROFILE | {"timezone": "Mars/Olympus"}, token=new_user().token
    )
    assert [path for path, _ in violations(answer)] == ["timezone"]


LOGINS = {
    "no address": ({"password": "x"}, [("email", EMPTY)]),
    "no password": ({"email": "ada@example.com"}, [("password", EMPTY)]),
    "nothing": ({}, [("email", EMPTY), ("password", EMPTY)]),
    "no address at all": ({"email": "ada", "password": "x"}, [("email", AN_ADDRESS)]),
    "a password of 257": (
        {"email": "ada@example.com", "password": "x" * 257},
        [("password", "Must have at most 256 characters")],
    ),
    "a number": ({"email": "ada@example.com", "password": 1234}, [("password", "Must be a text")]),
    "another key": ({"email": "ada@example.com", "password": "x", "otp": "1"}, [("otp", "Unknown key")]),
    "a list": ([], [("", "Must be an object")]),
}


@pytest.mark.parametrize(("body", "expected"), LOGINS.values(), ids=LOGINS)
def test_a_login_that_breaks_a_rule_is_no_attempt(local: Service, rows: Any, body: Any, expected: Any) -> None:
    assert violations(local.client.post("/auth/login", json=body, token=None)) == expected
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(0,)]


TOKENS = {
    "nothing": ({}, "refreshToken", EMPTY),
    "empty": ({"refreshToken": ""}, "refreshToken", EMPTY),
    "null": ({"refreshToken": None}, "refreshToken", "Field may not be null."),
    "a number": ({"refreshToken": 7}, "refreshToken", "Must be a text"),
    "8001 characters": ({"refreshToken": "x" * 8001}, "refreshToken", "Must have at most 8000 characters"),
    "NUL": ({"refreshToken": "hgr_\0"}, "refreshToken", NUL),
    "another key": ({"refreshToken": "x", "grant": "y"}, "grant", "Unknown key"),
}


@pytest.mark.parametrize(("body", "path", "rule"), TOKENS.values(), ids=TOKENS)
def test_a_refresh_or_a_logout_that_breaks_a_rule(
    local: Service, new_user: Any, body: Any, path: str, rule: str
) -> None:
    assert violations(local.client.post("/auth/refresh", json=body, token=None)) == [(path, rule)]
    if body:
        answer = local.client.post("/auth/logout", json=body, token=new_user().token)
        assert violations(answer) == [(path, rule)]


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh"])
@pytest.mark.parametrize(("body", "kind", "status"), [("{", "json", 400), ("", "json", 400), ("a=b", "x", 415)])
def test_a_body_that_is_no_json(local: Service, path: str, body: str, kind: str, status: int) -> None:
    headers = {"Content-Type": f"application/{kind}"}
    expect_shape(local.client.post(path, body=body, headers=headers, token=None), status)


OBJECTS = {
    "Registration": (newcomer(), {"email": EMAILS, "password": PASSWORDS, "firstName": NAMES, "lastName": LAST_NAMES}),
    "ProfileInput": (PROFILE, {"firstName": NAMES, "lastName": LAST_NAMES, "timezone": ZONES, "phone": PHONES}),
}
GOOD = {
    "email": GOOD_EMAILS,
    "password": [*GOOD_PASSWORDS, *COMMON_PASSWORDS],  # what is common cannot be said in JSON Schema
    "firstName": GOOD_NAMES,
    "lastName": GOOD_NAMES,
    "timezone": ["UTC", "Europe/London"],
    "phone": GOOD_PHONES,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_the_document_has_the_same_rules(name: str) -> None:
    components = json.loads(published.contents()[published.OPENAPI])["components"]
    is_valid = jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": components}, validate_formats=True
    ).is_valid
    body, tables = OBJECTS[name]
    assert is_valid(body)
    for key, table in tables.items():
        assert [value for value in GOOD[key] if not is_valid(body | {key: value})] == []
        assert [why for why, (value, _) in table.items() if is_valid(body | {key: value})] == []
