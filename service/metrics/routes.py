"""Each request measured, and what Prometheus asks for."""

from __future__ import annotations

import time

from flask import Blueprint, Flask, Response, g, request

from service import metrics as measurements
from service.errors import NotFound
from service.metrics.prometheus import MEDIA_TYPE
from service.operations import Answer, operation

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
STATUSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")

metrics = Blueprint("metrics", __name__)


def init_app(app: Flask) -> None:
    """Add the route, and measure every request."""
    app.after_request(_measure)
    app.register_blueprint(metrics)


def _measure(response: Response) -> Response:
    """Count a request by the template of its route. What somebody has sent is in no label."""
    route = request.url_rule.rule if request.url_rule else "unmatched"
    method = request.method if request.method in METHODS else "OTHER"
    seconds = time.perf_counter() - g.started_at
    status = STATUSES[response.status_code // 100]
    measurements.increment_counter("Requests", Method=method, Route=route, Status=status)
    measurements.record_metric("Latency", seconds, Method=method, Route=route)
    if response.status_code >= 500:
        measurements.increment_counter("Errors", Method=method, Route=route)
    return response


@metrics.get("/metrics")
@operation(
    "platform:read",
    answers={200: Answer(media_type="text/plain", description="The measurements, as Prometheus reads them.")},
    errors={404: "This is Lambda, where measurements go to CloudWatch, namespace Headgate."},
)
def show() -> Response:
    """Return what the service measures, for Prometheus (docs/operating.md)."""
    exposition = measurements.exposition()
    if exposition is None:
        raise NotFound("On Lambda measurements go to CloudWatch, namespace Headgate")
    return Response(exposition.text(measurements.scraped), content_type=MEDIA_TYPE)
