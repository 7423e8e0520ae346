"""gunicorn's entry: `gunicorn service.wsgi:create()`."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from service import config, logs
from service.app import create_app


def create() -> Flask:
    """Return the application for this environment."""
    settings = config.load()
    logs.configure(settings.log_level)
    app = create_app(settings)
    if hops := settings.proxy_hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    return app
