"""What the events of AWS mean: which files have come, of which tables, and what an event is known by.

    silver/customers/part-001.parquet, silver/customers/data/region=US/00000-0.parquet   {env}_customers_silver

Metadata, markers and whatever is no file of data mean nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

DATA_FILES = (".parquet", ".orc", ".avro")
MAX_KEY = 1024  # bytes, as S3 allows

_NAME = re.compile("[a-z0-9]+(_[a-z0-9]+)*")
_METADATA = ("metadata", "_delta_log", "_temporary")


def table_of(key: str, environment: str) -> str | None:
    """Return the name of the table that a file belongs to, None where it is no file of data of any."""
    layer, _, rest = key.partition("/")
    entity, _, path = rest.partition("/")
    segments = path.split("/")
    is_data = path.endswith(DATA_FILES) and all(segment and segment[0] not in "._" for segment in segments)
    if not is_data or len(key.encode(errors="replace")) > MAX_KEY or set(segments) & set(_METADATA):
        return None
    if not (_NAME.fullmatch(layer) and _NAME.fullmatch(entity)):
        return None
    return f"{environment}_{entity}_{layer}"


def created_objects(event: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """Return the objects that an event of S3, or of EventBridge about it, says were created; None for other events.

    S3 writes keys as a form would; in EventBridge's event they stand as they are. `mark` tells one writing of an
    object from the next.
    """
    if event.get("source") == "aws.s3" and event.get("detail-type") == "Object Created":
        detail = event.get("detail")
        found = [_object(detail, lambda key: key)] if isinstance(detail, Mapping) else [None]
    else:
        records = event.get("Records")
        if not isinstance(records, list) or not records or not all(map(_is_creation, records)):
            return None
        found = [_object(record["s3"], unquote_plus) for record in records]
    objects = [one for one in found if one is not None]
    return objects if len(objects) == len(found) else None


def _is_creation(record: Any) -> bool:
    if not isinstance(record, Mapping) or not isinstance(record.get("s3"), Mapping):
        return False
    return record.get("eventSource", "aws:s3") == "aws:s3" and str(record.get("eventName", "ObjectCreated")).startswith(
        "ObjectCreated"
    )


def _object(of: Mapping[str, Any], read: Any) -> dict[str, str] | None:
    bucket, found = of.get("bucket"), of.get("object")
    if not isinstance(bucket, Mapping) or not isinstance(found, Mapping):
        return None
    name, key = bucket.get("name"), found.get("key")
    if not isinstance(name, str) or not isinstance(key, str):
        return None
    mark = found.get("sequencer") or found.get("version-id") or found.get("versionId") or ""
    return {"bucket": name, "key": read(key), "mark": str(mark)}


def key_of(kind: str, event_id: str) -> str:
    """Return what an event is known by."""
    return f"{kind}/{event_id}"


def key_of_objects(objects: Iterable[Mapping[str, str]], event_id: str | None) -> str | None:
    """Return what the writing of some objects is known by: the same however often it is told, and in whatever order.

    None where neither the objects nor an id of the event tell one writing from the next.
    """
    told = sorted((one["bucket"], one["key"], one["mark"]) for one in objects)
    if not all(mark for _, _, mark in told):
        return key_of("object", event_id) if event_id else None
    return key_of("object", hashlib.sha256(repr(told).encode()).hexdigest())
