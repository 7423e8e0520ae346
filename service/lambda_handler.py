"""Lambda's entry: which kind of event is this? Unknown ones raise; there is no default action."""

from __future__ import annotations

import json
import logging
import time
from functools import cache
from typing import Any

from flask import Flask

from service import config, deadline, gateway, jobs, logs, metrics, tracing
from service.app import create_app
from service.database.schema import migrate
from service.errors import ServiceUnavailable
from service.exports import triggers
from service.jobs.measured import measured

BEGIN_SECONDS = 5.0  # that an invocation must have left to begin with another message

Event = dict[str, Any]

log = logging.getLogger(__name__)


class UnknownEvent(Exception):
    """An event of a shape that nothing here answers to."""


def handler(event: Any, context: Any) -> Any:
    """Answer a request, run a job or migrate the database, as the shape of the event says.

    Raises `UnknownEvent`, or what the job or the migration raises, so that AWS retries and dead-letters it.
    """
    settings = _settings()
    started_at = time.time()
    is_fault = True
    logs.set_request_id(getattr(context, "aws_request_id", None))
    _count_cold_start()
    try:
        answer = _answer(event, context, settings)
        status = answer.get("statusCode") if isinstance(answer, dict) else None
        is_fault = isinstance(status, int) and status >= 500
        return answer
    finally:
        logs.set_request_id(None)
        if settings.function:
            annotations = {"request_id": logs.last_request_id()}
            tracing.send(settings.function.trace_daemon, started_at, annotations, is_fault)
        metrics.flush()


def _answer(event: Any, context: Any, settings: config.Config) -> Any:
    if not isinstance(event, dict):
        raise UnknownEvent(f"The event is no object but {type(event).__name__}")
    if gateway.is_http(event):
        return gateway.respond(_app(), event, context, settings.base_path, settings.trusted_proxy_hops)
    if hasattr(context, "get_remaining_time_in_millis"):
        deadline.start(context.get_remaining_time_in_millis() / 1000 - deadline.SPARED_SECONDS)
    try:
        return _dispatch(event, settings, getattr(context, "aws_request_id", None))
    except ServiceUnavailable as error:
        log.error("a dependency is unavailable", extra={"reason": error.reason})
        raise
    finally:
        deadline.clear()


def _dispatch(event: Event, settings: config.Config, event_id: str | None) -> Any:
    """Do what an event asks for. AWS tries it again under the same id."""
    if event.get("command") == "migrate":
        return {"applied": migrate(settings, deadline.remaining())}
    if "job" in event:
        return _run(event["job"], _arguments(event), event_id)
    if (objects := triggers.created_objects(event)) is not None:
        return _run("export", {"objects": objects}, event.get("id") or event_id)
    if isinstance(event.get("detail"), dict):
        return _handle_detail(event, event.get("id") or event_id)
    if isinstance(event.get("Records"), list) and event["Records"]:
        return _handle_records(event)
    if event.get("Event") == "s3:TestEvent":
        return None
    raise _unknown(event)


def _handle_detail(event: Event, event_id: str | None) -> Any:
    detail: Event = event["detail"]
    if event.get("source") == "aws.events":
        if "job" in detail:
            return _run(detail["job"], _arguments(detail), event_id)
        if "table" in detail:
            return _run("export", detail, event_id)
    raise _unknown(event)


def _handle_records(event: Event) -> Any:
    records: list[Any] = event["Records"]
    if all(isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records):
        failed = [record for index, record in enumerate(records) if not _has_worked(record, is_first=index == 0)]
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
    raise _unknown(event)


def _has_worked(record: Event, is_first: bool) -> bool:
    """Run the job of one message. A message that fails, or for which no time is left, comes back."""
    about = {"messageId": record["messageId"], "attempt": _number(record, "ApproximateReceiveCount")}
    if not is_first and deadline.remaining() < BEGIN_SECONDS:
        log.warning("a job was not begun: the invocation is nearly over", extra=about)
        return False
    if sent_at := _number(record, "SentTimestamp"):
        metrics.record_metric("QueueAge", max(0.0, time.time() - sent_at / 1000))
    try:
        message = _message(record)
    except jobs.InvalidJob as error:
        log.error("a message is no job", extra=about | {"reason": error.reason})
        return False
    try:
        _run(message["job"], _arguments(message), record["messageId"], **about)
    except Exception:  # `measured` has told why
        return False
    return True


def _message(record: Event) -> Event:
    try:
        message = json.loads(record["body"])
    except (ValueError, RecursionError):
        raise jobs.InvalidJob("The message is not JSON") from None
    if not isinstance(message, dict) or "job" not in message:
        raise jobs.InvalidJob('The message is no object with the key "job"')
    return message


def _number(record: Event, attribute: str) -> int | None:
    text = str(record.get("attributes", {}).get(attribute, ""))
    return int(text) if text.isdecimal() else None


def _arguments(message: Event) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "job"}


def _run(name: Any, arguments: dict[str, Any], event_id: str | None, **about: Any) -> Any:
    with measured(name, **about), _app().app_context():
        return jobs.run(name, arguments, event_id)


def _unknown(event: Event) -> UnknownEvent:
    return UnknownEvent(f"No handler for an event with the keys {', '.join(sorted(map(str, event))) or '(none)'}")


@cache
def _settings() -> config.Config:
    settings = config.load()
    logs.configure(settings.log_level)
    metrics.configure(settings)
    return settings


@cache
def _count_cold_start() -> None:
    metrics.increment_counter("ColdStarts")


@cache
def _app() -> Flask:
    return create_app(_settings())
