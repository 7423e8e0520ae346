"""Guessing: after ten failures in 15 minutes on an account, or from a client address, nothing is tried any more.

An attempt reserves its place before the password is looked at, so that forty at once are no more than ten. Places are
given back by who has signed in; what fails keeps its place. PostgreSQL keeps count, for all processes and functions.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from service import deadline
from service.accounts import queries
from service.accounts.provider import WrongPair
from service.database import get_database
from service.errors import ServiceUnavailable, TooManyRequests

ASK_SECONDS = 0.25


@contextmanager
def reserved(email: str, address: str | None) -> Iterator[None]:
    """Let what is inside try a password; `WrongPair` counts as a failure. Raises `TooManyRequests` in front of it."""
    attempt = str(uuid.uuid4())
    _reserve(attempt, _hash("account", email.lower()), _hash("address", _network(address)) if address else None)
    try:
        yield
    except WrongPair:
        get_database().statement(queries.count_failure, attempt)
        raise
    except BaseException:  # nothing was learnt
        with suppress(ServiceUnavailable):
            get_database().statement(queries.release_sign_in, attempt)
        raise
    get_database().statement(queries.release_sign_in, attempt)


def _reserve(attempt: str, account: bytes, address: bytes | None) -> None:
    while (seconds := get_database().statement(queries.reserve_sign_in, attempt, account, address)) is None:
        if deadline.remaining() <= ASK_SECONDS:
            raise ServiceUnavailable(reason="attempts to sign in to one account or from one address were undecided")
        time.sleep(ASK_SECONDS)
    if seconds:
        raise TooManyRequests("Too many attempts to sign in have failed. Try again later", seconds)


def _network(address: str) -> str:
    """Return what a client can hardly change: its IPv4 address, or the /64 that is its own in IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))
    return str(ip)


def _hash(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind} {text}".encode()).digest()
