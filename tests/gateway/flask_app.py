"""A small Flask application that notes what it sees of a request, and answers what it is told."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Echo:
    """`seen` is the last request; `response` is what the next one is answered with."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}
        self.response = Response("ok", content_type="text/plain")
        self.app = Flask("echo")
        self.app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
        self.app.before_request(self._answer)  # before any route is needed: every path is welcome

    def _answer(self) -> Response:
        self.seen = {
            "method": request.method,
            "path": request.path,
            "query": request.args.to_dict(flat=False),
            "headers": {name: value for name, value in request.headers if name.startswith("X-Test-")},
            "type": request.content_type,
            "cookies": request.cookies.to_dict(flat=False),
            "body": request.get_data(),
        }
        return self.response
