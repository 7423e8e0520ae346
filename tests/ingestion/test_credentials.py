"""Whose keys there are, what is said where one is missing, and that no text that leaves shows one."""

from __future__ import annotations

import hashlib
import html
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from service import config, secrets_manager
from service.config import Config, ConfigError
from service.errors import ServiceUnavailable
from service.ingestion.fullbay.credentials import Credentials, token
from service.secrets_manager import SecretUnavailable, SecretUnusable
from tests.secret_stores import Moto, Store, lead_to


def credentials(**environ: str) -> Credentials:
    return Credentials(config.load({"AWS_REGION": "eu-west-1", **environ}).fullbay)


def of_secret(name: str = "headgate", **environ: str) -> Credentials:
    return credentials(SECRETS_MANAGER_SECRET_NAME=name, **environ)


def problem(**environ: str) -> str:
    with pytest.raises(ConfigError) as failure:
        config.load(environ)
    return str(failure.value)


def test_the_environment_names_shops_in_lower_case() -> None:
    found = credentials(FULLBAY_API_KEY="k-0", FULLBAY_API_KEY_DENVER="k-1", FULLBAY_API_KEY_NEW_YORK_2=" k-2\n")
    assert found.shops() == ("default", "denver", "new_york_2")
    assert [found.key(shop) for shop in found.shops()] == ["k-0", "k-1", "k-2"]
    assert not found.refresh()
    assert not found.refresh(refused="k-0")


def test_the_secret_names_shops_as_they_are(aws: Moto) -> None:
    name = aws.create(
        fullbay_api_key="k-0", fullbay_api_key_denver=" k-1\n", fullbay_api_key_Boise="k-2", db_password="p"
    )
    found = of_secret(name)
    assert found.shops() == ("boise", "default", "denver")
    assert [found.key(shop) for shop in found.shops()] == ["k-2", "k-0", "k-1"]


def test_a_key_of_the_environment_goes_before_the_same_shop_s_in_the_secret(aws: Moto) -> None:
    name = aws.create(fullbay_api_key="secret-0", fullbay_api_key_denver="secret-1", fullbay_api_key_boise="")
    found = of_secret(name, FULLBAY_API_KEY_DENVER="own-1", FULLBAY_API_KEY_AUSTIN="own-2")
    assert found.shops() == ("austin", "default", "denver")
    assert [found.key(shop) for shop in found.shops()] == ["own-2", "secret-0", "own-1"]


def test_the_secret_is_not_read_for_a_key_of_the_environment(store: Store) -> None:
    store.refusal = (400, "AccessDeniedException")
    assert of_secret(FULLBAY_API_KEY="own").key("default") == "own"
    assert store.requests == []


def test_the_default_shop_may_be_called_by_its_name(store: Store) -> None:
    assert credentials(FULLBAY_API_KEY_DEFAULT="k").key("default") == "k"
    store.content = {"fullbay_api_key_default": "k"}
    assert of_secret().key("default") == "k"
    assert of_secret().shops() == ("default",)
    store.content = {"fullbay_api_key_default": "b", "fullbay_api_key": "a"}
    assert of_secret().key("default") == "a"


MISSING: dict[str, tuple[dict[str, str], dict[str, str], str, str]] = {
    "nothing at all": (
        {},
        {},
        "default",
        "No key for shop 'default': set FULLBAY_API_KEY, or name a secret that holds fullbay_api_key with"
        " SECRETS_MANAGER_SECRET_NAME; there are keys for: no shop",
    ),
    "another shop": (
        {"FULLBAY_API_KEY": "hunter2"},
        {},
        "denver",
        "No key for shop 'denver': set FULLBAY_API_KEY_DENVER, or name a secret that holds fullbay_api_key_denver with"
        " SECRETS_MANAGER_SECRET_NAME; there are keys for: default",
    ),
    "a shop that the secret lacks": (
        {"SECRETS_MANAGER_SECRET_NAME": "x", "FULLBAY_API_KEY_BOISE": "hunter2"},
        {"fullbay_api_key": "hunter2", "fullbay_api_key_denver": ""},
        "denver",
        "No key for shop 'denver': set FULLBAY_API_KEY_DENVER, or put fullbay_api_key_denver into the secret 'x';"
        " there are keys for: boise, default",
    ),
    "a shop in capitals": (
        {"FULLBAY_API_KEY_DENVER": "hunter2"},
        {},
        "DENVER",
        "'DENVER' is no name of a shop: 1 to 63 lower-case letters, digits and underscores",
    ),
    "a shop that is none": (
        {},
        {},
        "a" * 1000,
        f"{'a' * 80!r} is no name of a shop: 1 to 63 lower-case letters, digits and underscores",
    ),
}


@pytest.mark.parametrize(("environ", "content", "shop", "text"), MISSING.values(), ids=MISSING)
def test_a_missing_key_is_told_with_what_to_do(
    store: Store, environ: dict[str, str], content: dict[str, str], shop: str, text: str
) -> None:
    store.content = content
    with pytest.raises(ConfigError) as failure:
        credentials(**environ).key(shop)
    assert str(failure.value) == text


WRONG = {
    "a shop in small letters": ({"FULLBAY_API_KEY_Denver": "hunter2"}, "FULLBAY_API_KEY_Denver must end in the name"),
    "no shop": ({"FULLBAY_API_KEY_": "hunter2"}, "FULLBAY_API_KEY_ must end in the name of a shop"),
    "a shop with a hyphen": ({"FULLBAY_API_KEY_NEW-YORK": "hunter2"}, "FULLBAY_API_KEY_NEW-YORK must end"),
    "a shop of 64": ({f"FULLBAY_API_KEY_{'A' * 64}": "hunter2"}, "must end in the name of a shop"),
    "two lines": ({"FULLBAY_API_KEY": "hunter2\nhunter2"}, "FULLBAY_API_KEY must be one line of ASCII without spaces"),
    "a space": ({"FULLBAY_API_KEY_A": "hunter2 hunter2"}, "FULLBAY_API_KEY_A must be one line of ASCII"),
    "no ASCII": ({"FULLBAY_API_KEY": "hunter2é"}, "FULLBAY_API_KEY must be one line of ASCII"),
    "two of one shop": (
        {"FULLBAY_API_KEY": "hunter2", "FULLBAY_API_KEY_DEFAULT": "hunter22"},
        "FULLBAY_API_KEY and FULLBAY_API_KEY_DEFAULT are of one shop and must not differ",
    ),
    "a base without TLS": ({"FULLBAY_API_BASE_URL": "http://hunter2.example"}, "FULLBAY_API_BASE_URL must begin with"),
    "an application without TLS": ({"FULLBAY_APP_BASE_URL": "http://hunter2.example"}, "FULLBAY_APP_BASE_URL must"),
    "a base with a user": (
        {"FULLBAY_APP_BASE_URL": "https://me:hunter2@a.example"},
        "FULLBAY_APP_BASE_URL must have no user, query or fragment",
    ),
    "a base with a query": ({"FULLBAY_API_BASE_URL": "https://a.example/?key=hunter2"}, "FULLBAY_API_BASE_URL must"),
    "a version of two parts": ({"FULLBAY_API_VERSION": "v1/hunter2"}, "FULLBAY_API_VERSION must be a part of a path"),
    "an address of six": ({"FULLBAY_SERVER_IP": "2001:db8::1"}, "FULLBAY_SERVER_IP must be an IPv4 address"),
    "an address that is none": ({"FULLBAY_SERVER_IP": "203.0.113.256"}, "FULLBAY_SERVER_IP must be an IPv4 address"),
    "an address with zeros": ({"FULLBAY_SERVER_IP": "203.000.113.7"}, "FULLBAY_SERVER_IP must be an IPv4 address"),
    "a service without TLS": (
        {"FULLBAY_IP_SERVICES": "https://a.example,http://hunter2.example"},
        "FULLBAY_IP_SERVICES must list URLs",
    ),
    "a name of two words": (
        {"SECRETS_MANAGER_SECRET_NAME": "hunter2 x"},
        "SECRETS_MANAGER_SECRET_NAME must be the name",
    ),
    "no page": ({"FULLBAY_PAGE_SIZE": "0"}, "FULLBAY_PAGE_SIZE must be a number from 1 to 1000"),
    "a page too large": ({"FULLBAY_PAGE_SIZE": "1001"}, "FULLBAY_PAGE_SIZE must be a number from 1 to 1000"),
    "no time": ({"FULLBAY_TIMEOUT_SECONDS": "0"}, "FULLBAY_TIMEOUT_SECONDS must be"),
    "endless time": ({"FULLBAY_INVOICES_TIMEOUT_SECONDS": "inf"}, "FULLBAY_INVOICES_TIMEOUT_SECONDS must be"),
    "a negative pause": ({"FULLBAY_PAUSE_MS": "-1"}, "FULLBAY_PAUSE_MS must be"),
    "half a retry": ({"FULLBAY_MAX_RETRIES": "0.5"}, "FULLBAY_MAX_RETRIES must be a whole number"),
    "no days": ({"FULLBAY_LOOKBACK_DAYS": "0"}, "FULLBAY_LOOKBACK_DAYS must be"),
    "a negative overlap": ({"FULLBAY_OVERLAP_SECONDS": "-1"}, "FULLBAY_OVERLAP_SECONDS must be"),
}


@pytest.mark.parametrize(("environ", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_variable_is_refused_by_name_and_once(environ: dict[str, str], words: str) -> None:
    text = problem(**environ)
    assert words in text
    assert "hunter2" not in text
    assert ";" not in text


def test_everything_has_its_default_and_its_variable() -> None:
    assert config.load({}).fullbay == Config().fullbay == config.FullbayConfig()
    found = config.load(
        {
            "FULLBAY_API_BASE_URL": "http://127.0.0.1:9000/",
            "FULLBAY_API_VERSION": "v2",
            "FULLBAY_APP_BASE_URL": "https://a.example/below/",
            "FULLBAY_API_KEY": "k",
            "SECRETS_MANAGER_SECRET_NAME": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b_c+d=e.f@g-h",
            "AWS_REGION": "eu-west-1",
            "FULLBAY_SERVER_IP": "203.0.113.7",
            "FULLBAY_IP_SERVICES": "https://a.example/ip, http://localhost:1",
            "FULLBAY_LOOKBACK_DAYS": "8",
            "FULLBAY_OVERLAP_SECONDS": "0",
            "FULLBAY_PAGE_SIZE": "1000",
            "FULLBAY_TIMEOUT_SECONDS": "0.5",
            "FULLBAY_INVOICES_TIMEOUT_SECONDS": "1000",
            "FULLBAY_PAUSE_MS": "0",
            "FULLBAY_MAX_RETRIES": "0",
        }
    ).fullbay
    assert found == config.FullbayConfig(
        api_base_url="http://127.0.0.1:9000",
        api_version="v2",
        app_base_url="https://a.example/below",
        keys=(("default", "k"),),
        secret_name="arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/b_c+d=e.f@g-h",
        region="eu-west-1",
        server_ip="203.0.113.7",
        ip_services=("https://a.example/ip", "http://localhost:1"),
        lookback_days=8,
        overlap_seconds=0,
        page_size=1000,
        timeout_seconds=0.5,
        invoices_timeout_seconds=1000,
        pause_ms=0,
        max_retries=0,
    )


def test_blank_variables_are_not_set() -> None:
    assert config.load({"FULLBAY_API_KEY": " ", "FULLBAY_API_KEY_DENVER": "", "FULLBAY_SERVER_IP": ""}) == config.load(
        {}
    )


def test_a_key_of_another_family_is_no_shop() -> None:
    assert credentials(FULLBAY_API_KEYS="a", MY_FULLBAY_API_KEY="b").shops() == ()


def test_a_new_key_of_the_secret_is_used_when_the_old_one_was_refused(aws: Moto) -> None:
    name = aws.create(fullbay_api_key="old", fullbay_api_key_denver="same")
    found = of_secret(name)
    refused = found.key("default")
    aws.put(name, fullbay_api_key="new", fullbay_api_key_denver="same")
    assert found.key("default") == "old"
    assert found.refresh(refused)
    assert found.refresh(refused)  # as another thread says that was refused the same
    assert found.key("default") == "new"
    assert found.hide("old new same") == "*** *** ***"


def test_a_refusal_of_the_newest_key_is_final(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    found = of_secret(aws.create(fullbay_api_key="newest"))
    assert not found.refresh(found.key("default"))
    monkeypatch.setattr(secrets_manager, "REFRESH_SECONDS", 0)
    assert not found.refresh(found.key("default"))
    assert not found.refresh()


def test_a_refresh_without_a_key_says_whether_any_changed(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_manager, "REFRESH_SECONDS", 0)
    name = aws.create(fullbay_api_key="a")
    found = of_secret(name, FULLBAY_API_KEY_DENVER="b")
    assert found.shops() == ("default", "denver")
    aws.put(name, fullbay_api_key="a", db_password="another")
    assert not found.refresh()
    aws.put(name, fullbay_api_key="a", fullbay_api_key_boise="c")
    assert found.refresh()
    aws.put(name, fullbay_api_key_boise="c")
    assert found.refresh()
    assert found.shops() == ("boise", "denver")


def test_an_unusable_key_of_one_shop_is_told_to_nobody_who_asks_for_another(store: Store) -> None:
    store.content = {"fullbay_api_key": "a", "fullbay_api_key_denver": "two words", "fullbay_api_key_boise": 5}
    found = of_secret()
    refused = found.key("default")
    store.content = store.content | {"fullbay_api_key": "b"}
    assert found.refresh(refused)
    assert found.key("default") == "b"
    for shop in ("denver", "boise"):
        with pytest.raises(SecretUnusable, match=f"fullbay_api_key_{shop} in the secret 'headgate' must be"):
            found.key(shop)


def test_threads_that_are_refused_at_once_all_learn_of_the_new_key(store: Store) -> None:
    store.content = {"fullbay_api_key": "old"}
    found = of_secret()
    refused = found.key("default")
    store.content, store.delay = {"fullbay_api_key": "new"}, 0.1
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(lambda _: found.refresh(refused), range(12))) == [True] * 12
    assert found.key("default") == "new"
    assert len(store.requests) == 2


def test_a_secret_that_cannot_be_read_is_told_as_it_is(store: Store) -> None:
    store.refusal = (400, "AccessDeniedException")
    with pytest.raises(SecretUnusable, match="the secret 'headgate' cannot be read: AccessDeniedException"):
        of_secret().key("default")
    store.refusal = (500, "InternalServiceError")
    with pytest.raises(SecretUnavailable):
        of_secret().shops()
    with pytest.raises(SecretUnavailable):
        of_secret().key("denver")


def test_a_wrong_name_in_the_secret_is_told_and_stops_no_other_shop(store: Store) -> None:
    store.content = {"fullbay_api_key_new-york": "hunter2", "fullbay_api_key_denver": "k", "fullbay_api_keys": "x"}
    found = of_secret()
    assert found.key("denver") == "k"
    with pytest.raises(ConfigError, match=r"No key for shop 'boise'.* there are keys for: denver, new-york"):
        found.key("boise")
    with pytest.raises(SecretUnusable) as failure:
        found.shops()
    assert str(failure.value).startswith("'fullbay_api_key_new-york' in the secret 'headgate' must end in the name")


@pytest.mark.parametrize("key", ["two\nlines", "two words", "é", "tab\there", "x" * 1025, "\x7f"])
def test_a_key_in_the_secret_that_no_header_takes_is_told_without_it(store: Store, key: str) -> None:
    store.content = {"fullbay_api_key": key}
    with pytest.raises(SecretUnusable) as failure:
        of_secret().key("default")
    assert str(failure.value) == "fullbay_api_key in the secret 'headgate' must be one line of ASCII without spaces"


def test_the_token_is_the_hash_of_key_day_and_address() -> None:
    made = token("key", date(2026, 1, 5), "203.0.113.7")
    assert made == hashlib.sha1(b"key2026-01-05203.0.113.7").hexdigest()
    assert made != token("key", date(2026, 1, 6), "203.0.113.7")
    assert made != token("key", date(2026, 1, 5), "203.0.113.8")


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6, max_size=48)


def spellings(key: str, seed: int) -> list[str]:
    """Return what libraries and servers make of a key, and mixtures that a proxy could."""
    chance = random.Random(seed)
    mixed = "".join(chance.choice([each, f"%{ord(each):02x}", f"%{ord(each):02X}"]) for each in key)
    prepared = requests.Request("GET", "https://a.example/", params={"key": key}).prepare().url or ""
    return [
        key,
        quote(key, safe=""),
        quote(key),
        quote_plus(key).lower() if "%" in quote_plus(key) and key.lower() == key else quote_plus(key),
        quote(quote(key, safe=""), safe=""),
        urlencode({"x": key})[2:],
        json.dumps(key)[1:-1],
        html.escape(key),
        prepared.partition("?key=")[2],
        "".join(f"\\u{ord(each):04x}" for each in key),
        "".join(f"&#{ord(each)};" for each in key),
        mixed,
    ]


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=4, unique=True), st.integers(0, 2**32))
def test_a_key_is_hidden_however_it_is_spelled(keys: list[str], seed: int) -> None:
    found = Credentials(config.FullbayConfig(keys=tuple((f"shop_{i}", key) for i, key in enumerate(keys))))
    for key in keys:
        for spelling in spellings(key, seed):
            text = f"GET /services/getInvoices.php?x={spelling}&page=1 failed"
            shown = found.hide(text)
            assert spelling not in shown
            assert "***" in shown
        made = token(key, date(2026, 1, 5), "203.0.113.7")
        assert made not in found.hide(f"refused: {made}", made)


@settings(deadline=None)
@given(st.text(), KEYS)
def test_a_text_without_a_key_stays_as_it_is(text: str, key: str) -> None:
    if key in text or "key" in text.lower() or "token" in text.lower() or "%" in text or "&" in text or "\\" in text:
        return
    assert Credentials(config.FullbayConfig(keys=(("default", key),))).hide(text) == text


def test_a_key_that_is_part_of_another_hides_neither_by_half() -> None:
    found = credentials(FULLBAY_API_KEY="abcd", FULLBAY_API_KEY_LONG="abcdef", FULLBAY_API_KEY_TAIL="cdef")
    assert found.hide("abcdef abcd cdef") == "*** *** ***"


def test_an_empty_token_hides_nothing() -> None:
    assert credentials().hide("a text", "") == "a text"


HIDDEN = {
    "a query": ("https://a.example/x.php?key=abc&token=d3f&page=2", "https://a.example/x.php?key=***&token=***&page=2"),
    "quoted": ("url: /x.php?page=2&token=d3f (Caused by", "url: /x.php?page=2&token=*** (Caused by"),
    "in JSON": ('{"url": "/x?key=abc"}', '{"url": "/x?key=***"}'),
    "encoded": ("next=%2Fx%3Fkey%3Dabc", "next=%2Fx%3Fkey%3D***"),
    "capitals": ("KEY=abc", "KEY=***"),
    "another word": ("monkey=abc", "monkey=abc"),
    "encoded, with more": ("x%3Fa%3D1%26TOKEN%3Dd3f", "x%3Fa%3D1%26TOKEN%3D***"),
    "an underscore": ("fullbay_api_key=abc", "fullbay_api_key=***"),
    "no value": ("key = value", "key = value"),
}


@pytest.mark.parametrize(("text", "shown"), HIDDEN.values(), ids=HIDDEN)
def test_what_stands_in_a_query_as_a_key_is_hidden_whosever_it_is(text: str, shown: str) -> None:
    assert credentials().hide(text) == shown


def test_an_error_of_the_http_library_shows_no_key_once_it_is_hidden() -> None:
    key = 'a/b"c%d+e=f&g'
    found = credentials(FULLBAY_API_KEY=key)
    with pytest.raises(requests.ConnectionError) as failure:
        requests.get("http://127.0.0.1:9/services/getInvoices.php", params={"key": key, "token": "abc"}, timeout=1)
    text = f"{failure.value} {failure.value!r}"
    assert quote(key, safe="") in text
    shown = found.hide(text)
    assert quote(key, safe="") not in shown
    assert "token=abc" not in shown
    assert "getInvoices.php?key=***" in shown


@settings(deadline=None)
@given(KEYS.filter(lambda key: key not in repr(Config())), KEYS.filter(lambda key: key not in repr(Config())))
def test_no_key_is_in_any_representation_or_error_of_the_configuration(one: str, other: str) -> None:
    environ = {"FULLBAY_API_KEY": one, "FULLBAY_API_KEY_DENVER": other}
    loaded = config.load(environ)
    found = Credentials(loaded.fullbay)
    texts = [repr(loaded), str(loaded), repr(loaded.fullbay), f"{loaded.fullbay}", repr(found), str(found)]
    with pytest.raises(ConfigError) as failure:
        found.key("austin")
    texts.append(str(failure.value))
    texts.append(problem(**environ, FULLBAY_PAGE_SIZE="x"))
    plain = " ".join(texts)
    for key in {one, other}:
        if key not in problem(FULLBAY_PAGE_SIZE="x") and key not in MISSING["another shop"][3]:
            assert key not in plain


def test_the_document_names_the_family_of_keys() -> None:
    document = (Path(__file__).parent.parent.parent / "docs" / "configuration.md").read_text()
    assert "| `FULLBAY_API_KEY_<SHOP>` |" in document


def test_an_outage_is_no_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    lead_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(ServiceUnavailable) as failure:
        of_secret().key("default")
    assert not isinstance(failure.value, ConfigError)


def test_nothing_is_asked_before_a_key_is_needed(store: Store) -> None:
    found: Any = of_secret(FULLBAY_API_KEY="k")
    assert found.hide("k") == "***"
    assert store.requests == []
