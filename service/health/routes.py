"""The service about itself: what it is, whether it lives, whether it can do its work, where it runs."""

from __future__ import annotations

import logging

from flask import Blueprint, Flask, Response, current_app, jsonify, request

from service import __version__, logs
from service.config import Config
from service.database import get_database
from service.database.schema import applied, shipped
from service.errors import ServiceUnavailable
from service.health.schemas import AwsInfo, Health, Readiness, Welcome
from service.operations import PUBLIC, Answer, operation

LINKS = {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json", "health": "/health", "ready": "/ready"}

log = logging.getLogger(__name__)

health = Blueprint("health", __name__)


def init_app(app: Flask, config: Config) -> None:
    """Add the routes."""
    app.config["COMMIT"] = config.commit
    app.config["RUNS_WHERE"] = {
        "environment": config.environment,
        "region": config.database.region,
        "functionName": config.function and config.function.name,
        "functionVersion": config.function and config.function.version,
        "memoryMb": config.function and config.function.memory_mb,
        "runtime": config.function and config.function.runtime,
    }
    app.register_blueprint(health)


@health.get("/")
@operation(PUBLIC, answers={200: Welcome})
def welcome() -> Response:
    """Say what this is, and where to go on."""
    links = {name: request.script_root + path for name, path in LINKS.items()}
    return jsonify(name="headgate", version=__version__, links=links)


@health.get("/health")
@health.get("/api/health")
@operation(PUBLIC, answers={200: Health})
def live() -> Response:
    """Tell that the process answers. Touches nothing else."""
    return jsonify(status="healthy", version=__version__, commit=current_app.config["COMMIT"])


@health.get("/ready")
@operation(PUBLIC, answers={200: Readiness, 503: Answer(Readiness, description="It cannot do its work now.")})
def ready() -> tuple[Response, int]:
    """Tell whether the database answers and every migration of this version has run."""
    try:
        missing = sorted(set(shipped()) - set(get_database().statement(applied)))
    except ServiceUnavailable as error:
        log.error("the service is not ready", extra={"reason": error.reason})
        return jsonify(status="unready", database="unavailable", missingMigrations=None), 503
    status = "unready" if missing else "ready"
    return jsonify(status=status, database="connected", missingMigrations=missing), 503 if missing else 200


@health.get("/api/aws-info")
@operation("platform:read", answers={200: AwsInfo})
def show_surroundings() -> Response:
    """Tell where this runs: environment, region, function, version, memory, runtime and the id of this request."""
    return jsonify(**current_app.config["RUNS_WHERE"], requestId=logs.request_id())
