"""One HTTP server for all of AWS: Athena by the emulator, everything else by moto, with faults on the way."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from tests.athena.faults import Fault, Schedule

OWN = "athena-emulator"  # in the User-Agent of its own calls, which never go wrong
TABLES = 100  # of a page of Glue's
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close() sends RST
THROTTLED = {"StartQueryExecution": "TooManyRequestsException", "GetQueryResults": "TooManyRequestsException"}
S3_ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'

Answer = tuple[int, bytes]


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        pass

    def log(self, *_: Any) -> None:
        pass


class Server:
    """Serves at `url`. `calls` are the names of the APIs that were called, in their order."""

    def __init__(self, athena: Callable[[str, dict[str, Any]], Answer], port: int = 0) -> None:
        self.schedule = Schedule()
        self.calls: list[str] = []
        self.on_call: Callable[[str, int], None] = lambda api, status: None
        self._athena = athena
        self._moto = DomainDispatcherApplication(create_backend_app)
        with socket.create_server(("127.0.0.1", port)) as bound:  # werkzeug exits where the port is taken
            self._server = make_server(
                "127.0.0.1", port, self, threaded=True, request_handler=_Handler, fd=bound.fileno()
            )
        self._server.shutdown_request = self._shut  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until somebody stops it."""
        self._thread.join()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one call."""
        api = _api(environ)
        if OWN in environ.get("HTTP_USER_AGENT", ""):
            status, headers, body = self._perform(api, environ)
            start_response(status, headers)
            return body
        self.calls.append(api)
        fault = self.schedule.draw(api)
        kind = fault.kind if fault else None
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        if kind == "reset":
            _hang_up(environ)
        if kind in ("throttle", "error", "gateway", "deny"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, headers, body = _refusal(api, kind, environ)
        else:
            perform = self._tables if api == "GetTables" else functools.partial(self._perform, api)
            status, headers, body = perform(environ)
        self.on_call(api, int(status.split()[0]))
        if kind == "lost":
            _hang_up(environ)
        start_response(status, headers)
        if fault and kind == "cut":
            return _cut(environ, b"".join(body), self.schedule, fault)
        return body

    def _perform(self, api: str, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("AmazonAthena."):
            sent = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = self._athena(api, json.loads(sent))
            return f"{status} -", _headers(body, "application/x-amz-json-1.1"), [body]
        answer, line, headers = run_wsgi_app(self._moto, environ)
        return line, list(headers), answer

    def _tables(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
        """Answer GetTables page by page, as Glue does and moto does not."""
        sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer, line, headers = run_wsgi_app(self._moto, environ | {"wsgi.input": io.BytesIO(sent)})
        found = b"".join(answer)
        if line.startswith("200"):
            first = int(json.loads(sent).get("NextToken", 0))
            tables = json.loads(found)["TableList"]
            further = {"NextToken": str(first + TABLES)} if first + TABLES < len(tables) else {}
            found = json.dumps({"TableList": tables[first : first + TABLES], **further}).encode()
        return line, _headers(found, headers["Content-Type"]), [found]

    def _shut(self, request: Any) -> None:
        """Close a connection without a FIN before the RST."""
        with contextlib.suppress(OSError):
            lingers = struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]
            if not lingers:
                request.shutdown(socket.SHUT_WR)
        self._server.close_request(request)


def _api(environ: dict[str, Any]) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if target:
        return str(target)
    return f"{environ['REQUEST_METHOD'].capitalize()}{'Object' if environ['PATH_INFO'].count('/') > 1 else 'Bucket'}"


def _headers(body: bytes, kind: str) -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Length", str(len(body)))]


def _refusal(api: str, kind: str, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
    if kind == "gateway":
        page = b"<html><title>502 Bad Gateway</title></html>"
        return "502 Bad Gateway", _headers(page, "text/html"), [page]
    is_s3 = "HTTP_X_AMZ_TARGET" not in environ
    status, code = {
        "throttle": (503, "SlowDown") if is_s3 else (400, THROTTLED.get(api, "ThrottlingException")),
        "error": (500, "InternalError" if is_s3 else "InternalServerException"),
        "deny": (403, "AccessDenied") if is_s3 else (400, "AccessDeniedException"),
    }[kind]
    # As AWS does, the message quotes who asked and for what.
    message = f"User: arn:aws:iam::123456789012:user/x is not to call {api} now"
    if is_s3:
        body = S3_ERROR.format(code, message).encode()
        return f"{status} -", _headers(body, "application/xml"), [body]
    body = json.dumps({"__type": code, "message": message}).encode()
    return f"{status} -", _headers(body, "application/x-amz-json-1.1"), [body]


def _cut(environ: dict[str, Any], body: bytes, schedule: Schedule, fault: Fault) -> Iterable[bytes]:
    yield body[: schedule.place(fault, len(body) - 1)]
    time.sleep(0.005)  # what was sent has to arrive first: RST takes with it what the other side has not read
    _hang_up(environ)


def _hang_up(environ: dict[str, Any]) -> None:
    connection = environ["werkzeug.socket"]
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RD)  # or the handler would wait for another call
    raise ConnectionResetError
