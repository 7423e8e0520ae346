"""API Gateway before the Lambda handler, as a WSGI application: requests in, payload 2.0 to the handler and back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

from tests.transports import event_v2, read_answer

Environ = dict[str, Any]


class ApiGateway:
    """Calls a Lambda handler with each request below its stage. What is elsewhere is not found, and not the handler's.

    The handler answers one request at a time, as one instance of a function does. Like AWS, it is told that the
    client used https; the path arrives as the client encoded it, as a Function URL's does.
    """

    def __init__(self, handler: Callable[[dict[str, Any]], Any], stage: str = "$default") -> None:
        self.handler, self.stage = handler, stage
        self._prefix = "" if stage == "$default" else f"/{stage}"
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~")
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            start_response("404 Not Found", [("Content-Type", "application/json")])
            return [b'{"message":"Not Found"}']
        target = path.removeprefix(self._prefix)
        if target.startswith("//"):
            target = f"/%2F{target[2:]}"  # else what follows would be taken for a host
        if query := environ.get("QUERY_STRING"):
            target += f"?{query}"
        cookies = environ.get("HTTP_COOKIE")
        event = event_v2(
            environ["REQUEST_METHOD"],
            target,
            headers=_headers(environ),
            body=get_input_stream(environ).read(),
            cookies=cookies.split("; ") if cookies else None,
            stage=self.stage,
        )
        with self._lock:
            # What travels between AWS and the function is JSON.
            answer = read_answer(json.loads(json.dumps(self.handler(json.loads(json.dumps(event))))))
        headers = [*answer.headers.items(), *(("Set-Cookie", cookie) for cookie in answer.cookies)]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
        return [answer.body]


def _headers(environ: Environ) -> dict[str, str]:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and key != "HTTP_COOKIE"
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


class _Quiet(WSGIRequestHandler):
    timeout = 5  # for what a browser connects and then never asks

    def log(self, *_: Any, **__: Any) -> None:
        """Write nothing: what a test wants to know it asks."""


class Served(NamedTuple):
    """Where an application is served."""

    port: int


@contextmanager
def serving(application: Any) -> Iterator[Served]:
    """Serve a WSGI application on a loopback port while the block runs."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
    server.daemon_threads = False  # at the end every request has been answered: the handler may go
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))  # seconds until it sees that it is to end
    thread.start()
    try:
        yield Served(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
