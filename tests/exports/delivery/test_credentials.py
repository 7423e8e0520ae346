"""The partner's address and what Headgate signs in with: what is wrong is named, and never quoted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.config import ConfigError
from service.errors import ServiceUnavailable
from service.exports.delivery.credentials import BASIC, POST, Account, Credentials
from service.exports.delivery.failures import Unavailable
from service.exports.delivery.pace import Pace
from service.exports.delivery.partner import Partner as Sender
from service.exports.settings import ExportsConfig
from service.secrets_manager import SecretUnusable
from tests.exports.delivery.conftest import batch
from tests.secret_stores import REGION, Store, lead_to

GOOD = {
    "api_base_url": "https://api.example.com/v1/",
    "client_id": "me",
    "client_secret": "hunter2 & more",
    "token_endpoint": "/oauth/token",
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store()
    lead_to(made.url, monkeypatch)
    yield made
    made.close()


def account(**changes: Any) -> Account:
    values = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return Credentials(ExportsConfig(api_credentials=json.dumps(values))).account()


def test_what_is_missing_goes_without_saying() -> None:
    assert account() == Account(
        "https://api.example.com/v1/oauth/token", "https://api.example.com/v1/records", "me", "hunter2 & more", BASIC
    )
    assert account(scope="", records_path=None) == account()


def test_all_of_it_may_be_said() -> None:
    found = account(
        token_endpoint="https://login.example.org/token",
        records_path="/customers/bulk",
        scope="write read",
        token_endpoint_auth_method=POST,
        unknown={"anything": 1},
    )
    assert (found.token_url, found.records_url) == (
        "https://login.example.org/token",
        "https://api.example.com/v1/customers/bulk",
    )
    assert (found.scope, found.auth_method) == ("write read", POST)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8098",
        "http://127.0.0.1",
        "http://[::1]:80/x",
        "https://[2001:db8::1]:8443",
        "https://a_b.test",
    ],
)
def test_urls_that_are_taken(url: str) -> None:
    assert account(api_base_url=url).records_url == f"{url}/records"
    assert account(token_endpoint=f"{url}/t").token_url == f"{url}/t"


BAD_URLS = [
    "http://api.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://localhost@example.com",
    "http://127.1",
    "http://0.0.0.0",
    "HTTPS://api.example.com",
    "ftp://api.example.com",
    "https://",
    "https:///path",
    "https://user:hunter2@api.example.com",
    "https://api.example.com@evil.test",
    "https://api.example.com:443@evil.test/",
    "https://api.example.com\\@evil.test",
    "https://api.example.com?key=hunter2",
    "https://api.example.com/#hunter2",
    "https://api.example.com//evil.test",
    "https://api.example.com:99999",
    "https://api.example.com:",
    "https://api.example.com/a b",
    "https://api.example.com\n",
    "https://exämple.com",
    "api.example.com",
    "//evil.test",
]
WRONG = [
    *[({"api_base_url": url}, "api_base_url") for url in BAD_URLS],
    *[
        ({"token_endpoint": url}, "token_endpoint")
        for url in [*BAD_URLS, "oauth/token", "/t?x=hunter2", "/t#x", "/a//b"]
    ],
    *[
        ({"records_path": path}, "records_path")
        for path in ("records", "https://evil.test/", "//evil.test", "/a?b", "/ä")
    ],
    *[
        ({name: value}, name)
        for name in ("client_id", "client_secret")
        for value in ("a\nb", "hünter2", "\0", "x" * 5000)
    ],
    *[({"scope": value}, "scope") for value in ("a  b", " a", 'a"b', "a\nb")],
    ({"token_endpoint_auth_method": "private_key_jwt"}, "token_endpoint_auth_method"),
    *[({name: value}, name) for name in GOOD for value in (7, ["hunter2"], {"hunter2": 1}, True)],
    *[({name: value}, name) for name in GOOD for value in (..., None, "")],
]


@pytest.mark.parametrize(("changes", "named"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named_with_its_rule_and_not_quoted(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as failure:
        account(**changes)
    told = str(failure.value)
    assert told.startswith(f"{named} ")
    assert "API_CREDENTIALS" in told
    for secret in ("hunter2", "evil", "example.com@", "hünter2"):
        assert secret not in told
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


@pytest.mark.parametrize("text", ["hunter2", "[]", '"hunter2"', "[" * 10_000, '{"client_secret": "hunter2'])
def test_a_variable_that_is_no_object_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigError) as failure:
        Credentials(ExportsConfig(api_credentials=text)).account()
    assert str(failure.value) == "API_CREDENTIALS must be a JSON object of texts"
    assert failure.value.__context__ is None


def test_without_credentials_both_variables_are_named() -> None:
    with pytest.raises(ConfigError, match=r"API_SECRET_NAME .* API_CREDENTIALS"):
        Credentials(ExportsConfig()).account()


def test_nothing_is_shown() -> None:
    credentials = Credentials(ExportsConfig(api_credentials=json.dumps(GOOD)))
    assert repr(credentials) == "Credentials(API_CREDENTIALS)"
    assert "hunter2" not in repr(credentials.account())
    assert repr(Credentials(ExportsConfig(api_secret_name="dev/api/credentials"))) == "Credentials(dev/api/credentials)"


def test_the_secret_is_read_as_the_variable_is(store: Store) -> None:
    store.content = GOOD
    credentials = Credentials(ExportsConfig(api_secret_name="dev/api/credentials", region=REGION))
    assert store.requests == []
    assert credentials.account() == credentials.account() == account()
    assert [request["SecretId"] for request in store.requests] == ["dev/api/credentials"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"api_base_url": 1}, "api_base_url in the secret 'dev/api' must be a text"),
        ({"client_secret": "hünter2"}, "client_secret in the secret 'dev/api' must be printable ASCII"),
        ({"client_id": ""}, "client_id is missing in the secret 'dev/api'"),
    ],
)
def test_what_is_wrong_in_the_secret_is_named(store: Store, content: dict[str, Any], told: str) -> None:
    store.content = GOOD | content
    with pytest.raises(SecretUnusable) as failure:
        Credentials(ExportsConfig(api_secret_name="dev/api", region=REGION)).account()
    assert str(failure.value) == told


def test_a_secret_that_cannot_be_read_now_is_unavailable(
    store: Store, monkeypatch: pytest.MonkeyPatch, quick: Callable[..., None]
) -> None:
    store.refusal = (503, "InternalServiceError")
    config = ExportsConfig(api_secret_name="dev/api", region=REGION)
    with pytest.raises(ServiceUnavailable):
        Credentials(config).account()
    with (
        Sender(Credentials(config), config, Pace()) as sender,
        pytest.raises(Unavailable, match="InternalServiceError"),
    ):
        sender.send(batch(1), "run-1", 1)


def test_credentials_that_cannot_be_used_are_told_to_who_sends() -> None:
    config = ExportsConfig(api_credentials=json.dumps(GOOD | {"api_base_url": "http://api.example.com"}))
    with Sender(Credentials(config), config, Pace()) as sender, pytest.raises(ConfigError, match="api_base_url"):
        sender.send(batch(1), "run-1", 1)
