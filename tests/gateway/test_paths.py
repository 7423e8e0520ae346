"""Stage and base path: what the application is mounted at, so that the links it makes are right."""

from __future__ import annotations

import pytest
from flask import Flask, redirect, url_for

from tests.gateway.shapes import SHAPES, Event, answer_of, environ_of
from tests.transports import event_alb, event_v1, event_v2


def rest(path: str, asked_for: str | None, stage: str | None = "prod") -> Event:
    """Return an event of payload 1.0 whose request context says what the client asked for."""
    event = event_v1("GET", path)
    event["requestContext"] |= {"path": asked_for, "stage": stage}
    return event


def http_api(path: str, stage: str | None, domain: str = "abc123.execute-api.eu-west-1.amazonaws.com") -> Event:
    """Return an event of payload 2.0 with the path as it stands in the event."""
    event = event_v2("GET", path)
    event["requestContext"] |= {"stage": stage, "domainName": domain}
    return event


@pytest.mark.parametrize(
    ("event", "script_name", "path"),
    [
        pytest.param(rest("/x", "/prod/x"), "/prod", "/x", id="rest-api"),
        pytest.param(rest("/", "/prod/"), "/prod", "/", id="rest-api-root"),
        pytest.param(rest("/", "/prod"), "/prod", "/", id="rest-api-root-without-slash"),
        pytest.param(rest("/prod/x", "/prod/prod/x"), "/prod", "/prod/x", id="rest-api-route-named-as-the-stage"),
        pytest.param(rest("/production", "/prod/production"), "/prod", "/production", id="rest-api-begins-alike"),
        pytest.param(rest("/a%20b", "/prod/a%20b"), "/prod", "/a b", id="rest-api-encoded"),
        pytest.param(rest("/a%20b", "/prod/a b"), "/prod", "/a b", id="rest-api-context-is-decoded"),
        pytest.param(rest("/x/", "/prod/x/"), "/prod", "/x/", id="rest-api-trailing-slash"),
        pytest.param(rest("/x", "/v1/x"), "/v1", "/x", id="rest-api-mapping"),
        pytest.param(rest("/x", "/x"), "", "/x", id="rest-api-custom-domain"),
        pytest.param(rest("/x", None), "", "/x", id="rest-api-context-says-nothing"),
        pytest.param(rest("/x", "/other"), "", "/x", id="rest-api-context-contradicts"),
        pytest.param(rest("/prod/x", "/prod/x"), "/prod", "/x", id="http-api-1.0"),
        pytest.param(rest("/prod/", "/prod/"), "/prod", "/", id="http-api-1.0-root"),
        pytest.param(rest("/x", "/prod/x", stage=None), "/prod", "/x", id="no-stage-but-a-longer-path"),
        pytest.param(http_api("/prod/x", "prod"), "/prod", "/x", id="2.0"),
        pytest.param(http_api("/prod", "prod"), "/prod", "", id="2.0-root-without-slash"),
        pytest.param(http_api("/prod/", "prod"), "/prod", "/", id="2.0-root"),
        pytest.param(http_api("/prod/a%2Fb", "prod"), "/prod", "/a/b", id="2.0-encoded"),
        pytest.param(http_api("/prod/prod/x", "prod"), "/prod", "/prod/x", id="2.0-route-named-as-the-stage"),
        pytest.param(http_api("/production/x", "prod"), "", "/production/x", id="2.0-begins-alike"),
        pytest.param(http_api("/x", "prod"), "", "/x", id="2.0-path-without-its-stage"),
        pytest.param(http_api("/x/prod", "prod"), "", "/x/prod", id="2.0-stage-at-the-end"),
        pytest.param(http_api("/x", "$default"), "", "/x", id="2.0-default-stage"),
        pytest.param(http_api("/$default/x", "$default"), "", "/$default/x", id="2.0-default-is-no-segment"),
        pytest.param(http_api("/x", None), "", "/x", id="2.0-no-stage"),
        pytest.param(event_alb("GET", "/prod/x"), "", "/prod/x", id="alb"),
    ],
)
def test_the_stage_is_the_script_name_where_the_path_carries_it(event: Event, script_name: str, path: str) -> None:
    environ = environ_of(event)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path)


@pytest.mark.parametrize("build", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("sent", "path"), [("/headgate/x", "/x"), ("/headgate/", "/"), ("/headgate", "")])
def test_a_base_path_in_the_path_is_part_of_the_script_name(build: type[Event], sent: str, path: str) -> None:
    event = build("GET", sent)
    stage = "/prod" if "multiValueHeaders" in event and "elb" not in event["requestContext"] else ""
    environ = environ_of(event, base_path="/headgate")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (f"{stage}/headgate", path)


@pytest.mark.parametrize("build", [event_v1, event_alb, SHAPES["function-url"]], ids=["1.0", "alb", "function-url"])
@pytest.mark.parametrize("sent", ["/headgates/x", "/x/headgate", "/x"])
def test_a_path_that_is_not_below_the_base_path_stays_whole(build: type[Event], sent: str) -> None:
    environ = environ_of(build("GET", sent), base_path="/headgate")
    assert environ["PATH_INFO"] == sent
    assert "/headgate" not in environ["SCRIPT_NAME"]


@pytest.mark.parametrize(
    ("stage", "path", "domain", "script_name"),
    [
        ("$default", "/x", "api.example.com", "/headgate"),
        ("prod", "/prod/x", "api.example.com", "/headgate"),
        ("$default", "/x", "abc123.execute-api.eu-west-1.amazonaws.com", ""),
        ("prod", "/prod/x", "abc123.execute-api.eu-west-1.amazonaws.com", "/prod"),
        ("prod", "/prod/x", "abc123.execute-api.cn-north-1.amazonaws.com.cn", "/prod"),
        ("$default", "/x", "abc123.lambda-url.eu-west-1.on.aws", ""),
    ],
)
def test_payload_2_leaves_the_mapping_of_a_custom_domain_out_and_it_is_put_back(
    stage: str, path: str, domain: str, script_name: str
) -> None:
    environ = environ_of(http_api(path, stage, domain), base_path="/headgate")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, "/x")


@pytest.mark.parametrize(
    ("event", "base_path", "location"),
    [
        (http_api("/prod/old", "prod"), "", "/prod/new"),
        (http_api("/old", "$default"), "", "/new"),
        (http_api("/prod/old", "prod", "api.example.com"), "/headgate", "/headgate/new"),
        (rest("/old", "/prod/old"), "", "/prod/new"),
        (rest("/headgate/old", "/headgate/old"), "/headgate", "/headgate/new"),
        (event_alb("GET", "/old"), "", "/new"),
    ],
    ids=["2.0-stage", "2.0-default", "2.0-mapping", "1.0-stage", "1.0-mapping", "alb"],
)
def test_a_redirect_leads_back_through_stage_and_base_path(event: Event, base_path: str, location: str) -> None:
    app = Flask("test")
    app.add_url_rule("/new", "new", lambda: "new")
    app.add_url_rule("/old", "old", lambda: redirect(url_for("new")))
    assert answer_of(app, event, base_path=base_path).headers["location"] == location
