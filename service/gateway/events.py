"""A Lambda event as a WSGI environ. PEP 3333 is the contract; wsgiref.validate checks it in the tests."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

import awsgi

Event = dict[str, Any]

_DEFAULT_PORTS = {"https": "443", "http": "80"}
_DROPPED = ("TRANSFER_ENCODING", "CONTENT_LENGTH")  # the body is whole, and its length is known
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


def is_http(event: Event) -> bool:
    """Return whether the event is a request to answer."""
    return "httpMethod" in event or _is_v2(event)


def _is_v2(event: Event) -> bool:
    return event.get("version") == "2.0" and "rawPath" in event


def environ_for(event: Event, context: Any, base_path: str, trusted_hops: int) -> Event:
    """Return the environ of the request that `event` holds, with the event itself at `awsgi.event`."""
    request_context = event.get("requestContext") or {}
    method, path, query, address = (_read_v2 if _is_v2(event) else _read_v1)(event, request_context)
    headers = _headers(event)
    script_name, path = _split(event, request_context, path, base_path)
    if "elb" in request_context:
        address = headers.get("HTTP_X_FORWARDED_FOR", "").split(",")[-trusted_hops:][0].strip()
        default_scheme = "http"
    else:
        default_scheme = "https"
    scheme = headers.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip()
    if scheme not in _DEFAULT_PORTS:
        scheme = default_scheme
    name, port = _host(headers.get("HTTP_HOST") or request_context.get("domainName") or "localhost")
    environ: Event = awsgi.environ(
        {"httpMethod": method, "path": path, "queryStringParameters": None, "body": _body(event)}, context
    )
    environ.update(headers)
    environ["SCRIPT_NAME"] = script_name
    environ["QUERY_STRING"] = query
    environ["REMOTE_ADDR"] = address
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = headers.get("HTTP_X_FORWARDED_PORT") or port or _DEFAULT_PORTS[scheme]
    environ["wsgi.url_scheme"] = scheme
    environ["wsgi.input_terminated"] = True
    environ["awsgi.event"] = event
    return environ


def _read_v2(event: Event, request_context: Event) -> tuple[str, str, str, str]:
    http = request_context.get("http") or {}
    method = http.get("method") or str(event.get("routeKey") or "").partition(" ")[0]
    query = event.get("rawQueryString")
    if query is None:
        query = urlencode(event.get("queryStringParameters") or {})
    elif not query.isascii():
        query = quote(query, _URL_CHARACTERS)
    return method if method.isupper() else "GET", event["rawPath"] or "/", query, http.get("sourceIp") or ""


def _read_v1(event: Event, request_context: Event) -> tuple[str, str, str, str]:
    values = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    safe = _URL_CHARACTERS if "elb" in request_context else ""  # a load balancer hands the query on as it was sent
    query = urlencode(values, doseq=True, safe=safe) if values else ""
    address = (request_context.get("identity") or {}).get("sourceIp") or ""
    return event["httpMethod"], event.get("path") or "/", query, address


def _split(event: Event, request_context: Event, path: str, base_path: str) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO: the stage and the base path belong to the first, wherever the path has them."""
    stage = f"/{request_context.get('stage') or '$default'}"
    full_path = request_context.get("path") or path  # payload 1.0 says here what the client asked for
    script_name = ""
    if full_path.endswith(path) and full_path != path:
        script_name = full_path.removesuffix(path)
    elif _is_below(path, stage):
        script_name, path = stage, path[len(stage) :]
    if base_path and _is_below(path, base_path):
        script_name, path = script_name + base_path, path[len(base_path) :]
    path = _decode(path)
    return _decode(script_name), path if path or script_name else "/"


def _is_below(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")


def _decode(path: str) -> str:
    if "%" in path or not path.isascii():
        return unquote_to_bytes(path).decode("latin-1")
    return path


def _host(host: str) -> tuple[str, str]:
    if host.endswith("]"):  # an IPv6 address without a port
        return host, ""
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdecimal() else (host, "")


def _body(event: Event) -> bytes:
    body: str = event.get("body") or ""
    # A lone surrogate becomes bytes that are no UTF-8: for the application to refuse, not for this module.
    return b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")


def _headers(event: Event) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, values in _header_values(event):
        key = _environ_key(name)
        if key is None:
            continue
        value = values if values.isascii() else values.encode("utf-8", "surrogatepass").decode("latin-1")
        if key in headers and key != "CONTENT_TYPE":
            value = headers[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        headers[key] = value
    return headers


def _header_values(event: Event) -> Iterable[tuple[str, str]]:
    if many := event.get("multiValueHeaders"):
        return [(name, str(value)) for name, values in many.items() for value in values or ()]
    pairs = [(name, str(value)) for name, value in (event.get("headers") or {}).items() if value is not None]
    if cookies := event.get("cookies"):
        pairs.append(("cookie", "; ".join(cookies)))
    return pairs


@lru_cache(maxsize=1024)
def _environ_key(name: str) -> str | None:
    """Return the environ's key for a header, None for one that is dropped: `X_A` would override `X-A`."""
    if "_" in name or not name.isascii():
        return None
    key = name.upper().replace("-", "_")
    if key in _DROPPED:
        return None
    return key if key == "CONTENT_TYPE" else "HTTP_" + key
