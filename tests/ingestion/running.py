"""Processes that read a source, and die or freeze at a step that was chosen: `python -m tests.ingestion.running`."""

from __future__ import annotations

import signal
from typing import Any

from flask import Flask

from service import config, deadline, jobs
from service.app import create_app
from service.database import holding
from service.ingestion import client, runs
from service.ingestion.records import Stream
from tests.forks import KINDS as KINDS
from tests.forks import OF_OTHERS, Steps, serve, work_off
from tests.forks import Forks as Forks
from tests.forks import Runner as Runner


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order; return what became of it."""
    others = OF_OTHERS if {"stream", "job"} & order.keys() else (*OF_OTHERS, "MainThread")
    steps = Steps(order.get("at"), order.get("signal", signal.SIGKILL), others)
    steps.install()
    steps.around(client.Client, "_attempt", "request", "response")
    for name, value in order.get("constants", {}).items():
        setattr(holding, name, value)
    settings = config.load(order["environ"])
    app = create_app(settings)
    try:
        if "job" in order:
            deadline.start(order.get("seconds", 60))
            with app.app_context():
                return dict(jobs.run("ingest", order["job"]))
        if "stream" in order:
            return read(app, order)
        return work_off(app, settings, order.get("seconds", 60))
    except Exception as error:
        return {"error": type(error).__name__, "reason": getattr(error, "reason", str(error))}


def read(app: Flask, order: dict[str, Any]) -> dict[str, Any]:
    """Read a stream once."""
    deadline.start(order.get("seconds", 60))
    with app.app_context():
        try:
            result = app.extensions["ingestion"].read(Stream(*order["stream"]), order.get("request", {}))
        except runs.Busy as busy:
            return {"status": "BUSY", "run": busy.execution_id, "message": str(busy)}
        finally:
            deadline.clear()
    return {"status": result.status, "run": result.execution_id, "message": result.message}


if __name__ == "__main__":
    serve(carry_out)
