"""A Lambda event as a WSGI environ. PEP 3333 is the contract; wsgiref.validate checks it in the tests."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import quote, urlencode

import awsgi

from service.gateway.headers import environ_headers, last, split_host
from service.gateway.paths import split_path

Event = dict[str, Any]

_DEFAULT_PORTS = {"https": "443", "http": "80"}
_QUERY_CHARACTERS = "!$%'()*+,/:;=?@[]~"  # stand in an encoded name or value as they are; `&` parts them


def is_http(event: Event) -> bool:
    """Return whether the event is a request to answer."""
    return "httpMethod" in event or is_v2(event)


def is_v2(event: Event) -> bool:
    """Return whether the event is of payload 2.0: an HTTP API's or a Function URL's."""
    return event.get("version") == "2.0" and "rawPath" in event


def is_alb(event: Event) -> bool:
    """Return whether a load balancer has sent the event."""
    return "elb" in (event.get("requestContext") or {})


def environ_for(event: Event, context: Any, base_path: str, trusted_hops: int) -> Event:
    """Return the environ of the request that `event` holds, with the event itself at `awsgi.event`."""
    request_context = event.get("requestContext") or {}
    headers = environ_headers(event)
    default_scheme = "https"
    if is_v2(event):
        method, path, query, address = _read_v2(event, request_context)
    elif is_alb(event):
        method, path, query, address = _read_alb(event, headers, trusted_hops)
        default_scheme = "http"
    else:
        method, path, query, address = _read_v1(event, request_context)
    script_name, path = split_path(path, request_context, base_path)
    scheme = last(headers.get("HTTP_X_FORWARDED_PROTO", ""))
    if scheme not in _DEFAULT_PORTS:
        scheme = default_scheme
    name, port = split_host(headers.get("HTTP_HOST") or request_context.get("domainName") or "localhost")
    environ: Event = awsgi.environ(
        {"httpMethod": method, "path": path, "queryStringParameters": None, "body": _body(event)}, context
    )
    environ.update(headers)
    environ["SCRIPT_NAME"] = script_name
    environ["QUERY_STRING"] = query
    environ["REMOTE_ADDR"] = address
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = last(headers.get("HTTP_X_FORWARDED_PORT", "")) or port or _DEFAULT_PORTS[scheme]
    environ["wsgi.url_scheme"] = scheme
    environ["wsgi.input_terminated"] = True
    environ["awsgi.event"] = event
    return environ


def _read_v2(event: Event, request_context: Event) -> tuple[str, str, str, str]:
    http = request_context.get("http") or {}
    query = event.get("rawQueryString")
    if query is None:
        query = _query(event.get("queryStringParameters"))
    elif not query.isascii():
        query = quote(query, _QUERY_CHARACTERS + "&", errors="surrogatepass")
    return http.get("method") or _routed_method(event), event["rawPath"] or "/", query, http.get("sourceIp") or ""


def _routed_method(event: Event) -> str:
    method = str(event.get("routeKey") or "").partition(" ")[0]
    return "GET" if method in ("", "ANY", "$default") else method


def _read_v1(event: Event, request_context: Event) -> tuple[str, str, str, str]:
    query = _query(event.get("multiValueQueryStringParameters") or event.get("queryStringParameters"))
    address = (request_context.get("identity") or {}).get("sourceIp") or ""
    return event["httpMethod"] or "GET", event.get("path") or "/", query, address


def _read_alb(event: Event, headers: dict[str, str], trusted_hops: int) -> tuple[str, str, str, str]:
    """Return the same from a load balancer: the query as it was sent, the client as the trusted proxies say."""
    values = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters")
    address = headers.get("HTTP_X_FORWARDED_FOR", "").split(",")[-trusted_hops:][0].strip()
    return event["httpMethod"] or "GET", event.get("path") or "/", _query(values, _QUERY_CHARACTERS), address


def _query(values: Event | None, safe: str = "") -> str:
    if not values:
        return ""
    present = {name: "" if value is None else value for name, value in values.items()}
    return urlencode(present, doseq=True, safe=safe, errors="surrogatepass")


def _body(event: Event) -> bytes:
    body: str = event.get("body") or ""
    # A lone surrogate becomes bytes that are no UTF-8: for the application to refuse, not for this module.
    return b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
