"""The application: a table of contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from service import cors, deadline, errors, inputs, jobs, logs, security
from service.accounts import routes as accounts
from service.accounts import users
from service.config import Config
from service.database import Database
from service.docs import routes as docs
from service.events import routes as events
from service.exports import routes as exports
from service.goals import routes as goals
from service.health import routes as health
from service.ingestion import routes as ingestion
from service.items import routes as items
from service.meals import routes as meals
from service.metrics import routes as metrics


class Application(Flask):
    """Flask for views that are no coroutines: it need not ask nine times a request whether a function is one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is."""
        return func


def create_app(config: Config) -> Flask:
    """Return the application for a configuration. Opens no connection."""
    app = Application("service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # an id may hold two of them
    app.extensions["database"] = Database(config)
    jobs.init_app(app, config)
    errors.init_app(app)
    logs.init_app(app)
    metrics.init_app(app)
    deadline.init_app(app, config)
    cors.init_app(app, config)
    security.init_app(app, config)
    inputs.init_app(app)
    users.init_app(app)
    accounts.init_app(app, config)
    health.init_app(app, config)
    docs.init_app(app)
    events.init_app(app, config)
    ingestion.init_app(app, config)
    exports.init_app(app, config)
    goals.init_app(app)
    items.init_app(app)
    meals.init_app(app)
    return app
