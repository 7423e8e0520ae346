"""What an adapter between Lambda events and WSGI costs, over calling the same application with a ready environ."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import apig_wsgi
import awsgi
import serverless_wsgi

from service import gateway
from service.gateway.events import environ_for
from tests.bench.report import Row, Spread
from tests.bench.samples import CONTEXT, car_event, invocation
from tests.bench.turns import Contender, say, take_turns
from tests.transports import event_v1

AT_MOST_MICROSECONDS = 20
CALLS = 100  # in one timing

ANSWER = b'{"success":true,"message":"Event processed successfully"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER))), ("X-Request-Id", "bench")]


def raw_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the size of answer that the service gives, and do nothing else."""
    start_response("200 OK", list(HEADERS))
    return [ANSWER]


def adapters(_databases: Any, is_quick: bool) -> list[Row]:
    """Measure the adapters on the events that each of them reads: aws-wsgi alone reads payload 1.0 only."""
    say("adapters")
    v2 = invocation(car_event())
    v1 = event_v1("POST", "/api/v1/events", headers=dict(v2["headers"]), body=v2["body"].encode())
    apig = apig_wsgi.make_lambda_handler(raw_app)
    calls = {
        "direct": partial(raw_app, environ_for(v2, CONTEXT, "", 1), lambda status, headers: io.BytesIO().write),
        "ours 2.0": partial(gateway.respond, raw_app, v2, CONTEXT),
        "ours 1.0": partial(gateway.respond, raw_app, v1, CONTEXT),
        "apig-wsgi 2.0": partial(apig, v2, CONTEXT),
        "serverless-wsgi 2.0": partial(serverless_wsgi.handle_request, raw_app, v2, CONTEXT),
        "aws-wsgi alone 1.0": partial(awsgi.response, raw_app, v1, CONTEXT),
        "apig-wsgi 1.0": partial(apig, v1, CONTEXT),
    }
    contenders = [Contender(name, int, partial(_repeat, call)) for name, call in calls.items()]
    spreads = take_turns(contenders, 60 if is_quick else 600, scale=1e6 / CALLS)
    direct = spreads.pop("direct").median
    over = {name: Spread(*(value - direct for value in spread)) for name, spread in spreads.items()}
    rows = []
    for peer in ("apig-wsgi 2.0", "serverless-wsgi 2.0", "aws-wsgi alone 1.0", "apig-wsgi 1.0"):
        payload = peer[-3:]
        name = f"adapter over a direct call, payload {payload}"
        rows.append(Row(name, "µs", over[f"ours {payload}"], peer[:-4], over[peer], at_most=AT_MOST_MICROSECONDS))
    return rows


def _repeat(call: Callable[[], Any], _prepared: int) -> None:
    for _ in range(CALLS):
        call()
