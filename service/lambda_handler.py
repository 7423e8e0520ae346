"""Lambda's entry: which kind of event is this? Unknown ones raise; there is no default action."""

from __future__ import annotations

import json
import logging
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

from flask import Flask

from service import config, deadline, gateway, jobs, logs
from service.app import create_app
from service.database.schema import migrate
from service.errors import ServiceUnavailable

Event = dict[str, Any]

log = logging.getLogger(__name__)


class UnknownEvent(Exception):
    """An event of a shape that nothing here answers to."""


def handler(event: Any, context: Any) -> Any:
    """Answer a request, run a job or migrate the database, as the shape of the event says.

    Raises `UnknownEvent`, or what the job or the migration raises, so that AWS retries and dead-letters it.
    """
    settings = _settings()
    if not isinstance(event, dict):
        raise UnknownEvent(f"The event is no object but {type(event).__name__}")
    if gateway.is_http(event):
        return gateway.respond(_app(), event, context, settings.base_path, settings.trusted_proxy_hops)
    logs.set_request_id(getattr(context, "aws_request_id", None))
    if hasattr(context, "get_remaining_time_in_millis"):
        deadline.start(context.get_remaining_time_in_millis() / 1000 - deadline.SPARED_SECONDS)
    try:
        return _dispatch(event, settings)
    except ServiceUnavailable as error:
        log.error("a dependency is unavailable", extra={"reason": error.reason})
        raise
    finally:
        deadline.clear()
        logs.set_request_id(None)


def _dispatch(event: Event, settings: config.Config) -> Any:
    if event.get("command") == "migrate":
        return {"applied": migrate(settings, deadline.remaining())}
    if "job" in event:
        return _run(event)
    if isinstance(event.get("detail"), dict):
        return _handle_detail(event)
    if isinstance(event.get("Records"), list) and event["Records"]:
        return _handle_records(event)
    if event.get("Event") == "s3:TestEvent":
        return None
    raise _unknown(event)


def _handle_detail(event: Event) -> Any:
    detail: Event = event["detail"]
    if event.get("source") == "aws.s3" and event.get("detail-type") == "Object Created":
        return jobs.run("export", {"bucket": detail["bucket"]["name"], "key": detail["object"]["key"]})
    if event.get("source") == "aws.events":
        if "job" in detail:
            return _run(detail)
        if "table" in detail:
            return jobs.run("export", detail)
    raise _unknown(event)


def _handle_records(event: Event) -> Any:
    records: list[Any] = event["Records"]
    if all(isinstance(record, dict) and record.get("eventSource") == "aws:sqs" for record in records):
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records if not _has_worked(r)]}
    if all(isinstance(record, dict) and _is_created_object(record) for record in records):
        for record in records:
            # Here S3 writes the key as a form would; in EventBridge's event it stands as it is.
            key = unquote_plus(record["s3"]["object"]["key"])
            jobs.run("export", {"bucket": record["s3"]["bucket"]["name"], "key": key})
        return None
    raise _unknown(event)


def _is_created_object(record: Event) -> bool:
    return "s3" in record and str(record.get("eventName", "ObjectCreated")).startswith("ObjectCreated")


def _has_worked(record: Event) -> bool:
    """Run the job of one message. A message that fails comes back; its neighbours do not."""
    try:
        _run(json.loads(record["body"]))
    except Exception as error:
        reason = getattr(error, "reason", type(error).__name__)
        log.exception("a job failed", extra={"messageId": record["messageId"], "reason": reason})
        return False
    return True


def _run(message: Event) -> Any:
    return jobs.run(message["job"], {key: value for key, value in message.items() if key != "job"})


def _unknown(event: Event) -> UnknownEvent:
    return UnknownEvent(f"No handler for an event with the keys {', '.join(sorted(map(str, event))) or '(none)'}")


@cache
def _settings() -> config.Config:
    settings = config.load()
    logs.configure(settings.log_level)
    return settings


@cache
def _app() -> Flask:
    return create_app(_settings())
