"""Processes that export, and that die or freeze at a step that was chosen: `python -m tests.exports.running`.

Beside the steps of `tests.forks`, the engine is about to be asked (`asked`), and has answered (`told`).
"""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path
from typing import Any

import boto3  # noqa: F401  (before the fork: it takes its time)
from flask import Flask

from service import config, deadline, jobs
from service.app import create_app
from service.exports.delivery.calls import Calls
from service.exports.querying import Querying
from service.exports.runs import Busy
from service.exports.selection.request import request_of
from tests.exports.recorded import Recorded
from tests.exports.rows import TABLE
from tests.forks import OF_OTHERS, Steps, serve, work_off

HASTY = {
    "service.exports.delivery.calls.FIRST_WAIT_SECONDS": 0.001,
    "service.exports.delivery.calls.LONGEST_WAIT_SECONDS": 0.01,
    "service.exports.delivery.pace.FIRST_WAIT_SECONDS": 0.001,
    "service.exports.delivery.pace.LONGEST_WAIT_SECONDS": 0.01,
    "service.exports.querying.FIRST_WAIT_SECONDS": 0.02,
}


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out an order; return what became of it."""
    is_worker = not {"run", "job", "request", "retry"} & order.keys()
    others = (*OF_OTHERS, "MainThread") if is_worker else OF_OTHERS
    steps = Steps(order.get("at"), order.get("signal", signal.SIGKILL), others)
    steps.install()
    steps.around(Calls, "post", "request", "response")
    steps.around(Querying, "_ask", "asked", "told")
    for name, value in {**HASTY, **order.get("constants", {})}.items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    os.environ.update(order.get("aws", {}))
    settings = config.load(order["environ"])
    app = create_app(settings)
    if "lake" in order:
        app.extensions["exports"]._engine = Recorded(Path(order["lake"]))
    if is_worker:
        return work_off(app, settings, order.get("seconds", 60))
    try:
        deadline.start(order.get("seconds", 60))
        with app.app_context():
            return export(app, order)
    except Exception as error:
        return {"error": type(error).__name__, "reason": getattr(error, "reason", str(error))}
    finally:
        deadline.clear()


def export(app: Flask, order: dict[str, Any]) -> dict[str, Any]:
    """Begin a run, or go on with one."""
    exports = app.extensions["exports"]
    if "job" in order:
        return dict(jobs.run("export", order["job"]))
    try:
        if "retry" in order:
            exports.reopen(order["retry"])
        run_id = order.get("run") or order.get("retry")
        if run_id is None:
            run_id = exports.announce(request_of({"table": TABLE, **order["request"]}), "command")
        result = exports.work(run_id, is_continued=order.get("is_continued", True))
    except Busy as busy:
        return {"status": "BUSY", "run": busy.run_id, "message": str(busy)}
    if result is None:
        return {"status": "ENDED", "run": run_id}
    return {"status": result.status, "run": run_id, "message": result.message}


if __name__ == "__main__":
    serve(carry_out)
