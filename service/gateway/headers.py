"""The request headers of a Lambda event, as a WSGI environ has them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_DROPPED = ("TRANSFER_ENCODING", "CONTENT_LENGTH")  # the body is whole, and its length is known


def environ_headers(event: dict[str, Any]) -> dict[str, str]:
    """Return the headers by their keys in the environ: repeated ones joined, several cookies as one header."""
    headers: dict[str, str] = {}
    for name, sent in _pairs(event):
        key = _environ_key(name)
        if key is None or sent is None:
            continue
        value = str(sent)
        if not value.isascii():
            value = latin1(value)
        if key in headers and key != "CONTENT_TYPE":  # of two content types the last one counts
            value = headers[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        headers[key] = value
    return headers


def _pairs(event: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    if many := event.get("multiValueHeaders"):
        return [(name, value) for name, values in many.items() for value in values or ()]
    pairs: Iterable[tuple[str, Any]] = (event.get("headers") or {}).items()
    if cookies := event.get("cookies"):
        return [*pairs, *(("cookie", cookie) for cookie in cookies)]
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


def latin1(text: str) -> str:
    """Return text as WSGI wants it: each byte of its UTF-8 as one character. A lone surrogate is no reason to fail."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def split_host(host: str) -> tuple[str, str]:
    """Return the name and the port of a Host header. The port may be empty, the name of an IPv6 host has brackets."""
    name, _, port = host.rpartition(":")
    if name and port.isdecimal() and (":" not in name or name.endswith("]")):
        return name, port
    return host, ""


def last(values: str) -> str:
    """Return the last value of a header that every proxy appends to: the one that AWS itself has written."""
    return values.rpartition(",")[2].strip()
