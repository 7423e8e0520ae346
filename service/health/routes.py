"""`/health` for the process, `/ready` for what it stands on."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask, Response, current_app, jsonify

from service import __version__
from service.config import Config
from service.database import get_database
from service.database.schema import applied, shipped
from service.errors import ServiceUnavailable
from service.security import public

log = logging.getLogger(__name__)

health = Blueprint("health", __name__)


def init_app(app: Flask, config: Config) -> None:
    """Add the routes."""
    app.config["COMMIT"] = config.commit
    app.register_blueprint(health)


@health.get("/health")
@public
def live() -> Response:
    """Tell that the process answers. Touches nothing else."""
    return jsonify(status="healthy", version=__version__, commit=current_app.config["COMMIT"])


@health.get("/ready")
@public
def ready() -> tuple[Response, int]:
    """Tell whether the database answers and every migration of this version has run."""
    try:
        missing = sorted(set(shipped()) - set(get_database().statement(applied)))
    except ServiceUnavailable as error:
        log.error("the service is not ready", extra={"reason": error.reason})
        return jsonify(status="unready", database="unavailable", missingMigrations=None), 503
    status = "unready" if missing else "ready"
    return jsonify(status=status, database="connected", missingMigrations=missing), 503 if missing else 200
