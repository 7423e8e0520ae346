"""Partners echo what they are sent: no secret of either side comes back, in no spelling."""

from __future__ import annotations

import base64
import html
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.exports.delivery.credentials import Account
from service.exports.delivery.failures import DeliveryError
from service.exports.delivery.quotes import MAX_LENGTH, Quotes
from tests.exports.delivery.conftest import batch
from tests.fullbay.messages import Answer
from tests.ingestion.leaks import Leaks
from tests.partner import Fault, Partner

Open = Callable[..., Any]
SECRET = 's3cret/of+nobody%&"=x'
TOKEN = "tok-0123456789abcdef/0123+7=="


def quotes(secret: str = SECRET, token: str = TOKEN) -> Quotes:
    found = Quotes()
    found.add_account(Account("", "", "me:too", secret))
    found.add_token(token)
    return found


def spellings(secret: str) -> dict[str, str]:
    pair = f"{quote_plus('me:too')}:{quote_plus(secret)}"
    return {
        "plain": secret,
        "quoted": quote(secret, safe=""),
        "quoted in part": quote(secret),
        "in lower case": quote(secret, safe="").replace("%2F", "%2f"),
        "a form": quote_plus(secret),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "json": json.dumps(secret),
        "escaped": "".join(f"\\u{ord(each):04x}" for each in secret),
        "html": html.escape(secret),
        "entities": "".join(f"&#{ord(each)};" for each in secret),
        "base64": base64.b64encode(secret.encode()).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(secret.encode()).decode(),
        "base64 with more": base64.b64encode(f"{secret}, and more".encode()).decode(),
        "basic": base64.b64encode(pair.encode()).decode(),
        "basic as it is": base64.b64encode(f"me:too:{secret}".encode()).decode(),
    }


@pytest.mark.parametrize("secret", [SECRET, TOKEN], ids=["secret", "token"])
@pytest.mark.parametrize("spelling", spellings(SECRET))
def test_no_spelling_comes_through(secret: str, spelling: str) -> None:
    written = spellings(secret)[spelling]
    if secret == TOKEN and spelling.startswith("basic"):
        return
    first = 12 if spelling.startswith("basic") else 0  # the client's id is no secret
    for before in ("", "x" * 480, "x" * 499, "x" * 600):
        said = quotes().quote(f"{before}bad credentials {written} here {written}")
        assert len(said) <= MAX_LENGTH
        for end in range(first + 12, len(written) + 1, 7):
            assert written[first:end] not in said
    assert quotes().quote(f"bad {written} here").startswith("bad")
    assert "***" in quotes().quote(f"bad {written} here")


@pytest.mark.parametrize("count", [1, 3, 30, 300, 3000])
def test_many_of_them_do_not_push_one_through(count: int) -> None:
    said = quotes().quote(TOKEN * count)
    assert said.replace("*", "") == ""
    assert quotes().quote(f"{SECRET} " * count).replace("*", "").strip() == ""


def test_a_text_without_a_secret_stays_as_it_is() -> None:
    assert quotes().quote("  row 3: email is invalid\n") == "row 3: email is invalid"
    assert quotes().quote("x" * 5000) == "x" * MAX_LENGTH
    assert Quotes().quote("x" * 5000) == "x" * MAX_LENGTH


def test_tokens_of_before_are_known_for_long() -> None:
    found = quotes()
    for number in range(40):
        found.add_token(f"another-token-{number}")
    assert TOKEN not in found.quote(f"x {TOKEN}")
    assert "another-token-39" not in found.quote("x another-token-39")


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    before=st.text(max_size=700),
    after=st.text(max_size=700),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
)
def test_a_secret_in_any_text_is_gone(before: str, after: str, secret: str) -> None:
    said = quotes(secret).quote(before + secret + after)
    assert secret not in said or secret in before or secret in after
    assert len(said) <= MAX_LENGTH


class Echo(Partner):
    """A partner that repeats all it was sent, in an answer of a status."""

    def __init__(self, status: int, form: str) -> None:
        super().__init__(client_secret=SECRET)
        self.status, self.form = status, form

    def process(self, request: Any) -> Answer:
        """Answer batches with what came."""
        if request.path != self.records_path:
            return super().process(request)
        sent = request.headers["authorization"]
        every = [*spellings(SECRET).values(), *spellings(sent.split(" ")[1]).values(), sent]
        told = {
            "json": json.dumps({"message": "no: " + " ".join(every)}),
            "text": "no: " + " ".join(every),
            "html": "<p>no: " + html.escape(" ".join(every)) + "</p>",
            "rows": json.dumps({"errors": [{"index": at, "message": f"no {one}"} for at, one in enumerate(every)]}),
            "names": json.dumps({"errors": dict.fromkeys(every, "no")}),
        }[self.form]
        return Answer(self.status, told.encode(), headers={"Location": f"http://localhost/{sent}", "X-Echo": sent})


@pytest.mark.parametrize("status", [200, 207, 302, 400, 401, 403, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("form", ["json", "text", "html", "rows", "names"])
def test_no_secret_is_in_what_is_returned_raised_or_logged(
    open_sender: Open, caplog: pytest.LogCaptureFixture, status: int, form: str
) -> None:
    leaks = Leaks()
    leaks.add("the client's secret", SECRET)
    with Echo(status, form) as stand_in, caplog.at_level(logging.DEBUG, "service"):
        sender = open_sender(stand_in, max_retries=2)
        try:
            told = repr(sender.send(batch(*range(40)), "run-1", 40))
        except DeliveryError as error:
            told = "".join(traceback.format_exception(error)) + repr(vars(error))
        for token in stand_in.tokens:
            leaks.add("a token", token)
    logged = "\n".join(json.dumps(vars(record), default=str) for record in caplog.records)
    assert leaks.find(stand_in.tokens[0]) != []
    assert leaks.find(told) == []
    assert leaks.find(logged) == []


@pytest.mark.parametrize("form", ["json", "text", "base64"])
@pytest.mark.parametrize("path", ["records", "token"])
def test_what_the_stand_in_echoes_is_left_out(start: Open, open_sender: Open, form: str, path: str) -> None:
    leaks = Leaks()
    stand_in = start(faults=[Fault("echo", status=400, form=form, path=path)], auth_method="client_secret_post")
    leaks.add("the client's secret", stand_in.grants.client_secret)
    with pytest.raises(DeliveryError) as failure:
        open_sender(stand_in).send(batch(1), "run-1", 1)
    for token in stand_in.tokens:
        leaks.add("a token", token)
    assert leaks.find("".join(traceback.format_exception(failure.value))) == []
    assert "***" in failure.value.reason or (path, form) in (("token", "base64"), ("token", "text"))
