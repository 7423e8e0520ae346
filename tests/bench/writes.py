"""Storing events through the Lambda handler, beside the floor: one event, and batches."""

from __future__ import annotations

import os
import uuid
from typing import Any
from unittest.mock import patch

from tests.bench.floor import Floor
from tests.bench.report import Row
from tests.bench.samples import CONTEXT, car_event, invocation
from tests.bench.servers import Databases, lambda_environment
from tests.bench.turns import Contender, say, take_turns

OURS, FLOOR, TUNED, FUNCTION = "handler()", "bare psycopg2", "tuned bare psycopg2", "bare store_events()"
ONE_AT_MOST = 2.0
SIZES = {100: 1.5, 1000: 1.4}  # events in a batch, and the target of it


def single(databases: Databases, is_quick: bool) -> list[Row]:
    """Measure one event: about a new entity, and about one that each event updates."""
    rounds = 150 if is_quick else 1500
    return [
        *_measure(databases, "POST /api/v1/events, new entity", rounds, ONE_AT_MOST),
        *_measure(databases, "POST /api/v1/events, same entity", rounds, ONE_AT_MOST, is_same_entity=True),
    ]


def bulk(databases: Databases, is_quick: bool) -> list[Row]:
    """Measure batches of events, each about a new entity."""
    rows = []
    for size, target in SIZES.items():
        rounds = max(5, (1000 if is_quick else 20_000) // size)
        rows += _measure(databases, f"POST /api/v1/events/bulk, {size:,} events", rounds, target, size)
    return rows


def _measure(
    databases: Databases, name: str, rounds: int, target: float, size: int = 1, is_same_entity: bool = False
) -> list[Row]:
    say(name)
    database = f"writes_{uuid.uuid4().hex}"
    with patch.dict(os.environ, lambda_environment(databases.environment(database)), clear=True):
        from service import lambda_handler

        lambda_handler._settings.cache_clear()
        lambda_handler._app.cache_clear()
        floor = Floor(databases.postgres.connect(database))
        bare = Floor(databases.postgres.connect(database))

        def events(contender: str) -> list[dict[str, Any]]:
            return [car_event(f"CAR of {contender}" if is_same_entity else None) for _ in range(size)]

        def request() -> dict[str, Any]:
            content = events(OURS)
            return invocation(content[0]) if size == 1 else invocation(content, "/api/v1/events/bulk")

        def handle(event: dict[str, Any]) -> None:
            answer = lambda_handler.handler(event, CONTEXT)
            if answer["statusCode"] != 200 or '"success":true' not in answer["body"]:
                raise RuntimeError(f"the handler answered {answer}")

        contenders = [
            Contender(OURS, request, handle),
            Contender(FLOOR, lambda: floor.plain_arguments(events(FLOOR)), floor.store_plain),
            Contender(TUNED, lambda: floor.one_arguments(events(TUNED)[0]), floor.store_one)
            if size == 1
            else Contender(TUNED, lambda: floor.many_arguments(events(TUNED)), floor.store_many),
            Contender(FUNCTION, lambda: bare.function_arguments(events(FUNCTION)), bare.call_function),
        ]
        spreads = take_turns(contenders, rounds)
        lambda_handler._app().extensions["database"].close()
    return [
        Row(name, "ms", spreads[OURS], FLOOR, spreads[FLOOR], ratio_at_most=target),
        *(Row(name, "ms", spreads[OURS], other, spreads[other]) for other in (TUNED, FUNCTION)),
    ]
