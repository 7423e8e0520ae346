"""What a database error means for the caller: try again later, the connection is lost, or a defect of ours."""

from __future__ import annotations

import psycopg2

from service.errors import ServiceUnavailable

# SQLSTATE classes and codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25006")
_UNAVAILABLE = (
    *_LOST,
    "28",  # refused user or password: it was rotated, or never right
    "3D000",  # no such database
    "3F000",  # no such schema
    "40",  # deadlock, serialization failure
    "42P01",  # no such table
    "42883",  # no such function: the migrations have not run
    "53",  # out of connections, memory, disk
    "55P03",  # lock not available in time
    "57014",  # statement timeout
    "58",  # system error of the server's machine
)


class ConnectionLost(ServiceUnavailable):
    """The connection broke. Whether the statement took effect is not known."""


def unavailable(error: psycopg2.Error, is_closed: bool) -> ServiceUnavailable | None:
    """Return what to tell the caller where `error` is an outage, None where it is a defect."""
    code: str | None = error.pgcode
    if is_closed or (code is None and isinstance(error, psycopg2.OperationalError)):
        return ConnectionLost(reason=_reason(error))
    if code is not None and code.startswith(_LOST):
        return ConnectionLost(reason=_reason(error))
    if code is not None and code.startswith(_UNAVAILABLE):
        return ServiceUnavailable(reason=_reason(error))
    return None


def _reason(error: psycopg2.Error) -> str:
    """Return what a log may say: never the statement or its values, which the text of a server error can hold."""
    if error.pgcode:
        return f"{type(error).__name__} (SQLSTATE {error.pgcode})"
    return str(error).strip().partition("\n")[0]
