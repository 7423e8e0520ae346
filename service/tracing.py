"""Traces: on Lambda with active tracing, each invocation puts the id that its log lines bear on its trace.

X-Ray's daemon takes subsegments as UDP datagrams: a header in JSON, a line break, the document. Nobody waits for it,
and what goes wrong there is no concern of the invocation's.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
from typing import Any, NamedTuple

from service import config

NAME = "headgate"
DAEMON_HEADER = '{"format":"json","version":1}\n'

log = logging.getLogger(__name__)

_ROOT = re.compile("1-[0-9a-f]{8}-[0-9a-f]{24}", re.ASCII)
_PARENT = re.compile("[0-9a-f]{16}", re.ASCII)
_ADDRESS = re.compile("(?:udp:)?([0-9A-Za-z.-]+):([0-9]{1,5})", re.ASCII)


class Trace(NamedTuple):
    """What Lambda says about the trace of an invocation."""

    id: str
    parent_id: str | None
    is_sampled: bool


def current() -> Trace | None:
    """Return the trace of the invocation at hand, None where there is none."""
    header = config.trace_header()
    if header is None:
        return None
    fields = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root, parent = fields.get("Root", ""), fields.get("Parent", "")
    if not _ROOT.fullmatch(root):
        return None
    is_sampled = fields.get("Sampled") == "1"
    return Trace(root, parent if _PARENT.fullmatch(parent) else None, is_sampled)


def trace_id() -> str | None:
    """Return the id of the trace of the invocation at hand, None where there is none."""
    trace = current()
    return trace and trace.id


def send(daemon: str | None, started_at: float, annotations: dict[str, Any], is_fault: bool) -> None:
    """Put what began at `started_at` (seconds of the clock) and ends now on the trace. Never raises, never waits.

    Annotations are what traces can be searched for: `annotation.request_id = "…"`.
    """
    trace = current()
    address = _address(daemon or "")
    if trace is None or not trace.is_sampled or trace.parent_id is None or address is None:
        return
    subsegment = {
        "name": NAME,
        "id": os.urandom(8).hex(),
        "trace_id": trace.id,
        "parent_id": trace.parent_id,
        "type": "subsegment",
        "start_time": started_at,
        "end_time": time.time(),
        "annotations": {key: value for key, value in annotations.items() if value is not None},
        "fault": is_fault,
    }
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon_socket:
            daemon_socket.setblocking(False)
            daemon_socket.sendto(f"{DAEMON_HEADER}{json.dumps(subsegment)}".encode(), address)
    except (OSError, OverflowError) as error:
        log.warning("the trace could not be sent", extra={"reason": type(error).__name__})


def _address(daemon: str) -> tuple[str, int] | None:
    """Return host and port of the daemon's UDP side: `127.0.0.1:2000`, `tcp:127.0.0.1:2000 udp:127.0.0.2:2001`."""
    for part in daemon.split():
        if match := _ADDRESS.fullmatch(part):
            return match[1], int(match[2])
    return None
