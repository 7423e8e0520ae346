"""gunicorn's entry: `gunicorn service.wsgi:create()`."""

from __future__ import annotations

from flask import Flask

from service import config, logs
from service.app import create_app


def create() -> Flask:
    """Return the application for this environment."""
    settings = config.load()
    logs.configure(settings.log_level)
    return create_app(settings)
