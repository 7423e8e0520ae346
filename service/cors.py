"""Which web origins may read answers. In AWS the gateway answers preflights from the same list."""

from __future__ import annotations

from flask import Flask, Response

from service.config import Config

HEADERS = ("Authorization", "Content-Type", "If-Match", "X-Request-Id")
EXPOSED_HEADERS = ("ETag", "Link", "Retry-After", "X-Request-Id")
MAX_AGE_SECONDS = 600


def init_app(app: Flask, config: Config) -> None:
    """Echo the one origin of `CORS_ORIGINS` that asks; nothing at all where the list is empty."""
    if not config.cors_origins:
        return
    from flask_cors import CORS

    CORS(
        app,
        origins=list(config.cors_origins),
        allow_headers=list(HEADERS),
        expose_headers=list(EXPOSED_HEADERS),
        max_age=MAX_AGE_SECONDS,
        always_send=False,
        vary_header=False,  # it would vary only where the list has several
        intercept_exceptions=False,  # the errors of this application pass here anyhow
    )
    app.after_request(_vary)


def _vary(response: Response) -> Response:
    """Tell caches that each origin gets an answer of its own, those that get no header too."""
    response.vary.add("Origin")
    return response
