"""Properties that hold for any request and any answer, searched for counterexamples by Hypothesis."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode
from wsgiref.validate import validator

import pytest
from flask import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from service import gateway
from tests.gateway.flask_app import METHODS, Echo
from tests.gateway.shapes import SHAPES, Event, answer_of, environ_of

Build = Callable[..., Event]
echo = Echo()
every_shape = pytest.mark.parametrize("build", SHAPES.values(), ids=SHAPES)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines may be busy
examples = settings(patient, max_examples=50)

TOKEN = string.ascii_letters + string.digits
texts = st.text(max_size=20)
visible = st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cc", "Cs")), max_size=20).map(str.strip)
names = st.text(TOKEN, min_size=1, max_size=8)
paths = texts.map(lambda text: "/" + text.lstrip("/"))
# A load balancer without multi-value headers hands on one value of each parameter.
queries = st.lists(st.tuples(texts, texts), max_size=4, unique_by=lambda pair: pair[0])
headers = st.dictionaries(names.map(lambda name: f"X-Test-{name.title()}"), visible, max_size=4)
cookies = st.dictionaries(names, st.text(TOKEN + "-._~", max_size=8), max_size=3)


@every_shape
@examples
@given(
    method=st.sampled_from(METHODS),
    path=paths,
    query=queries,
    sent=headers,
    jar=cookies,
    body=st.binary(max_size=64),
    kind=st.sampled_from(["application/json", "text/plain; charset=utf-8", "application/x-www-form-urlencoded"]),
)
def test_flask_sees_the_request_that_it_sees_through_a_plain_server(
    build: Build,
    method: str,
    path: str,
    query: list[tuple[str, str]],
    sent: dict[str, str],
    jar: dict[str, str],
    body: bytes,
    kind: str,
) -> None:
    sent = sent | {"Content-Type": kind}
    if jar:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
    plain = EnvironBuilder(
        method=method,
        path=quote(path),
        query_string=urlencode(query),
        headers={name: value.encode().decode("latin-1") for name, value in sent.items()},
        data=body,
    )
    echo.response = Response("ok", content_type="text/plain")
    run_wsgi_app(echo.app, plain.get_environ())
    expected = echo.seen
    assert expected["body"] == body

    echo.seen = {}
    target = quote(path) + ("?" + urlencode(query) if query else "")
    assert answer_of(echo.app, build(method, target, headers=sent, body=body)).status == 200
    assert echo.seen == expected


@pytest.mark.parametrize("name", ["payload-2.0", "payload-1.0", "alb-multi"])
@examples
@given(query=st.lists(st.tuples(st.sampled_from("abc"), texts), max_size=6))
def test_repeated_query_values_keep_their_order(name: str, query: list[tuple[str, str]]) -> None:
    answer_of(echo.app, SHAPES[name]("GET", "/?" + urlencode(query)))
    expected = {key: [value for other, value in query if other == key] for key, _ in query}
    assert echo.seen["query"] == expected


@every_shape
@examples
@given(path=st.binary(max_size=16))
def test_any_bytes_survive_in_a_path(build: Build, path: bytes) -> None:
    sent = "/" + quote(path.lstrip(b"/"))
    assert environ_of(build("GET", sent))["PATH_INFO"].encode("latin-1") == unquote_to_bytes(sent)


answer_headers = st.lists(
    st.tuples(
        names.map(lambda name: f"X-Test-{name.lower()}"),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=("Cc",)), max_size=12),
    ),
    max_size=4,
    unique_by=lambda pair: pair[0].lower(),
)


@every_shape
@examples
@given(
    status=st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    said=answer_headers,
    jar=st.lists(st.tuples(names, st.text(TOKEN, max_size=8)), max_size=5),
    body=st.binary(max_size=64) | texts.map(str.encode),
)
def test_any_answer_survives(
    build: Build, status: int, said: list[tuple[str, str]], jar: list[tuple[str, str]], body: bytes
) -> None:
    echo.response = Response(body, status, said, content_type="application/octet-stream")
    for name, value in jar:
        echo.response.set_cookie(name, value, httponly=True, max_age=60)
    answer = answer_of(echo.app, build())
    assert (answer.status, answer.body) == (status, body)
    assert answer.cookies == echo.response.headers.getlist("Set-Cookie")
    assert {name: answer.headers[name.lower()] for name, _ in said} == dict(said)
    assert answer.headers["content-length"] == str(len(body))


# Whatever API Gateway could put there: any text, lone surrogates too, and null or nothing where a part is optional.
anything = st.text(st.characters(), max_size=12)
optional = st.none() | anything
many = st.none() | st.dictionaries(anything, st.none() | st.lists(optional, max_size=3), max_size=3)
single = st.none() | st.dictionaries(anything, optional, max_size=3)
identity = st.none() | st.fixed_dictionaries({}, optional={"sourceIp": optional})
authorizer = st.none() | st.fixed_dictionaries({}, optional={"jwt": st.none() | single, "claims": single | anything})
contexts = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "http": st.none()
        | st.fixed_dictionaries({}, optional={"method": st.sampled_from(METHODS), "sourceIp": optional}),
        "identity": identity,
        "authorizer": authorizer,
        "stage": optional,
        "path": optional,
        "domainName": optional,
        "requestId": optional,
        "elb": st.just({"targetGroupArn": "arn"}),
    },
)
common = {
    "headers": single,
    "multiValueHeaders": many,
    "queryStringParameters": single,
    "multiValueQueryStringParameters": many,
    "cookies": st.none() | st.lists(optional, max_size=3),
    "rawQueryString": optional,
    "body": optional,
    "isBase64Encoded": st.none() | st.just(False),
    "requestContext": contexts,
}
hostile = st.fixed_dictionaries(
    {"version": st.just("2.0"), "rawPath": optional}, optional=common | {"routeKey": st.none() | st.just("GET /x")}
) | st.fixed_dictionaries({"httpMethod": st.sampled_from(METHODS)}, optional=common | {"path": optional})


@settings(patient, max_examples=200)
@given(event=hostile, base_path=st.sampled_from(["", "/headgate"]), hops=st.integers(1, 3))
def test_no_event_is_too_hostile_to_be_answered(event: Event, base_path: str, hops: int) -> None:
    environs: list[Event] = []
    echo.response = Response("ok", content_type="text/plain")

    def app(environ: Event, start_response: Any) -> Any:
        environs.append(environ)
        return echo.app(environ, start_response)

    assert gateway.is_http(event)
    answer = gateway.respond(validator(app), event, None, base_path, hops)
    assert answer["statusCode"] == 200
    assert gateway.claims(environs[0]) is None or isinstance(gateway.claims(environs[0]), dict)
