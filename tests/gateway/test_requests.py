"""What the application sees of a request: the same through every shape of event, where the shape allows it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.util import request_uri

import pytest

from service import gateway
from tests.gateway.shapes import HEADERS, SHAPES, Event, environ_of, saying
from tests.transports import event_alb, event_alb_multi, event_v1, event_v2

Build = Callable[..., Event]


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def build(request: pytest.FixtureRequest) -> Any:
    return request.param


class TestEveryShape:
    """The contract: one request, five shapes. `wsgiref.validate` checks each environ besides."""

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    def test_the_method_is_the_clients(self, build: Build, method: str) -> None:
        assert environ_of(build(method))["REQUEST_METHOD"] == method

    @pytest.mark.parametrize(
        ("sent", "seen"),
        [
            ("/", b"/"),
            ("/goals", b"/goals"),
            ("/goals/", b"/goals/"),
            ("/a%20b", b"/a b"),
            ("/a+b", b"/a+b"),
            ("/a%2Fb", b"/a/b"),
            ("/a%2fb", b"/a/b"),
            ("/caf%C3%A9", "/café".encode()),
            ("/%E6%97%A5/%E6%9C%AC", "/日/本".encode()),
            ("/café", "/café".encode()),
            ("/日本", "/日本".encode()),
            ("/%FF", b"/\xff"),
            ("/100%", b"/100%"),
            ("/a%252Fb", b"/a%2Fb"),
            ("/a//b", b"/a//b"),
            ("/a/../b", b"/a/../b"),
            ("/a;v=1,2", b"/a;v=1,2"),
        ],
    )
    def test_the_path_is_decoded_once_to_bytes_as_latin_1(self, build: Build, sent: str, seen: bytes) -> None:
        environ = environ_of(build("GET", sent))
        assert environ["PATH_INFO"].encode("latin-1") == seen

    @pytest.mark.parametrize(
        "query",
        ["a=1", "a=1&b=2", "a=", "q=a+b", "q=a%20b", "q=%26%3D%23", "q=caf%C3%A9", "q=100%25", "q=a%2Bb", "a%5B0%5D=x"],
    )
    def test_the_query_means_what_was_sent(self, build: Build, query: str) -> None:
        environ = environ_of(build("GET", f"/x?{query}"))
        assert parse_qsl(environ["QUERY_STRING"], True, True) == parse_qsl(query, True, True)

    def test_without_a_query_there_is_an_empty_one(self, build: Build) -> None:
        assert environ_of(build())["QUERY_STRING"] == ""

    @pytest.mark.parametrize(
        "body", [b"", b"{}", "é日".encode(), b"\xff\x00\x80", b"\x1f\x8b\x08", b"a\r\nb"], ids=repr
    )
    def test_the_body_is_the_clients_bytes_and_its_length_is_known(self, build: Build, body: bytes) -> None:
        environ = environ_of(build("POST", body=body))
        assert environ["body"] == body
        assert environ["CONTENT_LENGTH"] == str(len(body))

    def test_text_in_base64_is_decoded(self, build: Build) -> None:
        event = build("POST") | {"body": base64.b64encode(b"text").decode(), "isBase64Encoded": True}
        assert environ_of(event)["body"] == b"text"

    def test_headers_become_variables_whatever_their_case(self, build: Build) -> None:
        environ = environ_of(build(headers={"X-Api-Version": "1", "ACCEPT": "text/html"}))
        assert (environ["HTTP_X_API_VERSION"], environ["HTTP_ACCEPT"]) == ("1", "text/html")

    def test_non_ascii_header_values_are_bytes_as_latin_1(self, build: Build) -> None:
        environ = environ_of(build(headers={"X-Name": "Zoë"}))
        assert environ["HTTP_X_NAME"].encode("latin-1").decode() == "Zoë"

    def test_type_and_length_of_the_body_stand_only_under_their_own_names(self, build: Build) -> None:
        event = build("POST", body=b"{}", headers={"Content-Type": "application/json", "Content-Length": "99"})
        environ = environ_of(event)
        assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("application/json", "2")
        assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(environ)

    def test_a_transfer_encoding_is_dropped_because_the_body_is_whole(self, build: Build) -> None:
        environ = environ_of(build("POST", body=b"{}", headers={"Transfer-Encoding": "chunked"}))
        assert "HTTP_TRANSFER_ENCODING" not in environ
        assert (environ["CONTENT_LENGTH"], environ["wsgi.input_terminated"]) == ("2", True)

    @pytest.mark.parametrize("spoofed", ["X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for"])
    def test_a_header_with_an_underscore_cannot_pass_for_the_real_one(self, build: Build, spoofed: str) -> None:
        environ = environ_of(build(headers={spoofed: "6.6.6.6"}))
        assert environ["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"

    def test_a_header_with_an_underscore_is_dropped(self, build: Build) -> None:
        environ = environ_of(build(headers={"Remote_User": "root", "Content_Type": "text/html"}))
        assert "HTTP_REMOTE_USER" not in environ
        assert "CONTENT_TYPE" not in environ

    def test_a_header_name_outside_ascii_is_dropped(self, build: Build) -> None:
        # The dotless i is `I` in upper case: the header would pass for Authorization.
        assert "HTTP_AUTHORIZATION" not in environ_of(build(headers={"Author\u0131zation": "Bearer x"}))

    def test_cookies_are_one_header(self, build: Build) -> None:
        assert environ_of(build(headers={"Cookie": "a=1; b=2"}))["HTTP_COOKIE"] == "a=1; b=2"

    @pytest.mark.parametrize(
        ("host", "proto", "port", "name", "seen_port"),
        [
            ("api.example.com", "https", "443", "api.example.com", "443"),
            ("api.example.com:8443", "https", "8443", "api.example.com", "8443"),
            ("api.example.com", "http", "80", "api.example.com", "80"),
            ("[2001:db8::1]", "https", "443", "[2001:db8::1]", "443"),
            ("[2001:db8::1]:8443", "https", "8443", "[2001:db8::1]", "8443"),
            ("2001:db8::1", "https", "443", "2001:db8::1", "443"),
        ],
    )
    def test_the_server_is_the_one_the_client_called(
        self, build: Build, host: str, proto: str, port: str, name: str, seen_port: str
    ) -> None:
        sent = {"Host": host, "X-Forwarded-Proto": proto, "X-Forwarded-Port": port}
        environ = environ_of(build("GET", "/x", headers=sent))
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, seen_port)
        assert environ["wsgi.url_scheme"] == proto
        assert request_uri(environ).endswith("/x")

    def test_the_port_is_the_hosts_where_no_proxy_tells_it(self, build: Build) -> None:
        event = build(headers={"Host": "api.example.com:8443"})
        for headers in (event.get("headers"), event.get("multiValueHeaders")):
            for name in list(headers or {}):
                if name.lower() == "x-forwarded-port":
                    del headers[name]
        assert environ_of(event)["SERVER_PORT"] == "8443"

    def test_of_several_schemes_and_ports_the_last_proxys_count(self, build: Build) -> None:
        sent = {"X-Forwarded-Proto": "ftp, https", "X-Forwarded-Port": "21, 8443"}
        environ = environ_of(build(headers=sent))
        assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", "8443")

    @pytest.mark.parametrize("scheme", ["javascript", "", "HTTPS "])
    def test_an_unknown_scheme_is_not_believed(self, build: Build, scheme: str) -> None:
        assert environ_of(build(headers={"X-Forwarded-Proto": scheme}))["wsgi.url_scheme"] in ("http", "https")

    def test_the_client_is_the_one_whom_aws_saw(self, build: Build) -> None:
        assert environ_of(build(source_ip="198.51.100.9"))["REMOTE_ADDR"] == "198.51.100.9"

    def test_the_event_and_its_context_are_in_the_environ(self, build: Build) -> None:
        event, context, seen = build(), SimpleNamespace(), {}

        def app(environ: Event, start_response: Any) -> list[bytes]:
            seen.update(environ)
            return saying()(environ, start_response)

        gateway.respond(app, event, context)
        assert seen["awsgi.event"] is event
        assert seen["awsgi.context"] is context

    @pytest.mark.parametrize("value", ["absent", "null", "empty"])
    def test_optional_parts_may_be_missing_null_or_empty(self, build: Build, value: str) -> None:
        event = build()
        optional = ["headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"]
        optional += ["body", "isBase64Encoded", "cookies", "rawQueryString", "pathParameters", "stageVariables"]
        for name in optional:
            if value == "absent":
                event.pop(name, None)
            elif name in event or value == "null":
                event[name] = None if value == "null" else type(event[name])()
        environ = environ_of(event)
        assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["body"]) == ("/", "", b"")
        assert environ["SERVER_NAME"]

    @pytest.mark.parametrize("value", [{}, None], ids=["empty", "null"])
    def test_the_request_context_may_be_empty_or_null(self, build: Build, value: Any) -> None:
        environ = environ_of(build("GET", "/x") | {"requestContext": value})
        assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("GET", "/x")
        assert environ["REMOTE_ADDR"] == ""

    def test_the_request_context_may_be_missing(self, build: Build) -> None:
        event = build("GET", "/x")
        del event["requestContext"]
        assert environ_of(event)["PATH_INFO"] == "/x"

    def test_a_lone_surrogate_becomes_bytes_for_the_application_to_refuse(self, build: Build) -> None:
        event = build("POST", headers={"X-A": "\ud800"}) | {"body": "\ud800"}
        event |= {"path": "/%41\ud800", "rawPath": "/%41\ud800", "rawQueryString": "q=\ud800"}
        event |= {"queryStringParameters": {"q": "\ud800"}, "multiValueQueryStringParameters": None}
        environ = environ_of(event)
        assert environ["PATH_INFO"].encode("latin-1") == b"/A\xed\xa0\x80"
        assert environ["HTTP_X_A"].encode("latin-1") == environ["body"] == b"\xed\xa0\x80"
        assert environ["QUERY_STRING"] == "q=%ED%A0%80"

    def test_it_is_known_as_a_request(self, build: Build) -> None:
        assert gateway.is_http(build())


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"version": "2.0"},
        {"version": "2.0", "requestContext": {"eventType": "CONNECT"}},
        {"rawPath": "/"},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {"job": "x"}},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"command": "migrate"},
    ],
    ids=str,
)
def test_what_is_no_request_is_not_taken_for_one(event: Event) -> None:
    assert not gateway.is_http(event)


class TestPayload2:
    def test_cookies_come_as_a_list_and_make_one_header(self) -> None:
        assert environ_of(event_v2(cookies=["a=1", "b=2"]))["HTTP_COOKIE"] == "a=1; b=2"

    def test_cookies_of_the_list_follow_those_of_the_header(self) -> None:
        event = event_v2(cookies=["b=2"], headers={"Cookie": "a=1"})
        assert environ_of(event)["HTTP_COOKIE"] == "a=1; b=2"

    def test_the_raw_query_is_handed_on_as_it_was_sent(self) -> None:
        query = "a=2&b=%2F+%20&a=1&flag&=x&c=a,b"
        assert environ_of(event_v2("GET", f"/x?{query}"))["QUERY_STRING"] == query

    def test_a_raw_query_outside_ascii_is_encoded(self) -> None:
        event = event_v2() | {"rawQueryString": "q=é&r=%20"}
        assert environ_of(event)["QUERY_STRING"] == "q=%C3%A9&r=%20"

    def test_without_a_raw_query_the_parameters_make_it(self) -> None:
        event = event_v2() | {"queryStringParameters": {"q": "a b", "r": None}}
        del event["rawQueryString"]
        assert environ_of(event)["QUERY_STRING"] == "q=a+b&r="

    def test_repeated_headers_stay_joined_with_a_comma(self) -> None:
        assert environ_of(event_v2(headers={"X-A": "1,2"}))["HTTP_X_A"] == "1,2"

    @pytest.mark.parametrize(
        ("route", "method"), [("POST /x", "POST"), ("ANY /x", "GET"), ("$default", "GET"), (None, "GET")]
    )
    def test_without_a_method_the_route_tells_it(self, route: str | None, method: str) -> None:
        event = event_v2() | {"routeKey": route, "requestContext": {"http": None}}
        assert environ_of(event)["REQUEST_METHOD"] == method

    def test_an_empty_path_is_the_root(self) -> None:
        assert environ_of(event_v2() | {"rawPath": ""})["PATH_INFO"] == "/"

    def test_a_path_without_a_slash_gets_one(self) -> None:
        assert environ_of(event_v2() | {"rawPath": "x"})["PATH_INFO"] == "/x"

    def test_a_forged_x_forwarded_for_is_not_believed(self) -> None:
        event = event_v2(headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})
        assert environ_of(event)["REMOTE_ADDR"] == "203.0.113.7"

    def test_the_domain_stands_for_a_missing_host(self) -> None:
        event = event_v2()
        del event["headers"]["host"]
        assert environ_of(event)["SERVER_NAME"] == "api.example.com"

    def test_the_scheme_is_https_where_nothing_tells_it(self) -> None:
        environ = environ_of(event_v2() | {"headers": {}})
        assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", "443")


class TestPayload1:
    def test_repeated_query_values_all_arrive_in_order(self) -> None:
        assert environ_of(event_v1("GET", "/x?a=2&b=3&a=1"))["QUERY_STRING"] == "a=2&a=1&b=3"

    def test_single_query_values_are_enough(self) -> None:
        event = event_v1("GET", "/x?a=1%262") | {"multiValueQueryStringParameters": None}
        assert environ_of(event)["QUERY_STRING"] == "a=1%262"

    def test_repeated_headers_are_joined_with_a_comma_and_cookies_with_a_semicolon(self) -> None:
        event = event_v1()
        event["multiValueHeaders"] |= {"X-A": ["1", None, "2"], "x-a": ["3"], "Cookie": ["a=1", "b=2"], "X-B": None}
        environ = environ_of(event)
        assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2,3", "a=1; b=2")
        assert "HTTP_X_B" not in environ

    def test_single_headers_are_enough(self) -> None:
        event = event_v1(headers={"X-A": "1"}) | {"multiValueHeaders": None}
        assert environ_of(event)["HTTP_X_A"] == "1"

    def test_of_two_content_types_the_last_counts(self) -> None:
        event = event_v1("POST", body=b"x")
        event["multiValueHeaders"]["Content-Type"] = ["text/html", "text/plain"]
        assert environ_of(event)["CONTENT_TYPE"] == "text/plain"

    def test_header_values_that_are_null_or_numbers_do_no_harm(self) -> None:
        event = event_v1() | {"multiValueHeaders": None, "headers": {"X-A": None, "X-B": 1}}
        environ = environ_of(event)
        assert "HTTP_X_A" not in environ
        assert environ["HTTP_X_B"] == "1"

    def test_a_forged_x_forwarded_for_is_not_believed(self) -> None:
        event = event_v1(headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.7"})
        assert environ_of(event)["REMOTE_ADDR"] == "203.0.113.7"


@pytest.mark.parametrize("build", [event_alb, event_alb_multi], ids=["single", "multi"])
class TestLoadBalancer:
    @pytest.mark.parametrize(
        "query", ["q=a%26b", "q=100%25", "q=a+b%2Bc", "q=caf%C3%A9", "q=%FF", "a%5B%5D=1", "q=a=b"]
    )
    def test_the_query_is_not_encoded_twice(self, build: Build, query: str) -> None:
        environ = environ_of(build("GET", f"/x?{query}"))
        assert environ["QUERY_STRING"].replace("%5B%5D", "[]") == query.replace("%5B%5D", "[]")

    def test_a_value_that_came_decoded_cannot_make_another_parameter(self, build: Build) -> None:
        event = build()
        event["queryStringParameters"] = {"q": "a&admin=1#é"}
        event.pop("multiValueQueryStringParameters", None)
        assert environ_of(event)["QUERY_STRING"] == "q=a%26admin=1%23%C3%A9"

    @pytest.mark.parametrize(
        ("hops", "forwarded", "seen"),
        [
            (1, "203.0.113.7", "203.0.113.7"),
            (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
            (1, "6.6.6.6,203.0.113.7", "203.0.113.7"),
            (2, "6.6.6.6, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (2, "203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (2, "203.0.113.7", "203.0.113.7"),
            (1, "", ""),
        ],
    )
    def test_the_client_is_told_by_the_trusted_hops(self, build: Build, hops: int, forwarded: str, seen: str) -> None:
        environ = environ_of(build(headers={"x-forwarded-for": forwarded}), trusted_hops=hops)
        assert environ["REMOTE_ADDR"] == seen

    def test_without_x_forwarded_for_the_client_is_unknown(self, build: Build) -> None:
        event = build() | {"headers": None, "multiValueHeaders": {}}
        assert environ_of(event)["REMOTE_ADDR"] == ""

    def test_the_scheme_is_http_where_nothing_tells_it(self, build: Build) -> None:
        event = build() | {"headers": {"host": "lb.example.com"}, "multiValueHeaders": {}}
        environ = environ_of(event)
        assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("http", "80")


def test_a_load_balancer_with_multi_values_hands_on_all_of_them_in_order() -> None:
    event = event_alb_multi("GET", "/x?a=2&a=1")
    event["multiValueHeaders"] |= {
        "x-a": ["1", "2"],
        "cookie": ["a=1", "b=2"],
        "x-forwarded-for": ["6.6.6.6", "9.9.9.9"],
    }
    environ = environ_of(event)
    assert environ["QUERY_STRING"] == "a=2&a=1"
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert environ["REMOTE_ADDR"] == "9.9.9.9"


class TestWhatGatewayKnowsOfARequest:
    @pytest.mark.parametrize(
        "event", [event_v2(claims={"sub": "a"}), event_v1(claims={"sub": "a"})], ids=["2.0", "1.0"]
    )
    def test_claims_are_those_that_the_authorizer_verified(self, event: Event) -> None:
        assert gateway.claims(environ_of(event)) == {"sub": "a"}

    @pytest.mark.parametrize(
        "authorizer",
        [None, {}, {"jwt": None}, {"jwt": {}}, {"claims": "a"}, {"lambda": {"claims": {"sub": "a"}}}, {"iam": {}}],
        ids=str,
    )
    def test_without_an_authorizers_claims_there_are_none(self, authorizer: Any) -> None:
        event = event_v2()
        event["requestContext"]["authorizer"] = authorizer
        assert gateway.claims(environ_of(event)) is None

    def test_a_client_cannot_send_claims_or_a_request_id(self) -> None:
        sent = {"awsgi.event": "x", "requestContext": "x", "authorizer": "x", "claims": "x"}
        event = event_alb(headers=sent, body=b'{"requestContext": {"requestId": "x", "authorizer": {"claims": {}}}}')
        environ = environ_of(event)
        assert gateway.claims(environ) is None
        assert gateway.request_id(environ) is None

    def test_the_request_id_is_api_gateways(self) -> None:
        event = event_v2()
        assert gateway.request_id(environ_of(event)) == event["requestContext"]["requestId"]

    def test_outside_lambda_nothing_of_it_is_known(self) -> None:
        environ = {"REQUEST_METHOD": "GET"}
        assert gateway.request_context(environ) == {}
        assert gateway.claims(environ) is None
        assert gateway.request_id(environ) is None
        assert gateway.remaining_seconds(environ) is None

    def test_the_remaining_time_is_the_invocations_in_seconds(self) -> None:
        seen = []

        def app(environ: Event, start_response: Any) -> list[bytes]:
            seen.append(gateway.remaining_seconds(environ))
            start_response("200 OK", HEADERS)
            return []

        gateway.respond(app, event_v2(), SimpleNamespace(get_remaining_time_in_millis=lambda: 1500))
        assert seen == [1.5]
