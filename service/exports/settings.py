"""What the service is told about exports. Part of `service/config.py`, which gives it the environment to read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.variables import Reader

_TABLE = re.compile(r"[a-z0-9_]{1,255}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]{1,512})?")


@dataclass(frozen=True)
class TableRule:
    """A table that may be exported: the columns that tell its rows apart, and the one that `date_filter` is about."""

    name: str
    key: tuple[str, ...] = ()
    date_column: str | None = None


@dataclass(frozen=True)
class ExportsConfig:
    """Where the lake and the partner are, and how much is sent how fast. Fields are named after their variables."""

    athena_database: str = "glue_catalog"
    athena_workgroup: str | None = None  # without one the lake is the embedded one
    athena_output: str = "s3://athena-results-local/"
    region: str | None = None
    tables: tuple[TableRule, ...] | None = None  # None is every table of the catalog
    api_secret_name: str | None = None
    api_credentials: str | None = field(default=None, repr=False)
    batch_size: int = 100
    max_records: int = 10_000
    concurrency: int = 4
    requests_per_second: float = 0.0  # 0 is as fast as the partner answers
    max_retries: int = 100
    timeout_seconds: float = 30.0
    query_seconds: float = 1800.0


def load(read: Reader, environment: str, is_lambda: bool) -> ExportsConfig:
    """Read the variables of exports. Athena is meant where a variable names any part of it, and on Lambda."""
    named = [read.text(f"ATHENA_{name}") for name in ("WORKGROUP", "DATABASE", "OUTPUT_BUCKET")]
    workgroup, database, bucket = named
    credentials = read.verbatim("API_CREDENTIALS")
    bucket = bucket or f"athena-results-{environment}"
    if not _BUCKET.fullmatch(bucket):
        read.refuse("ATHENA_OUTPUT_BUCKET must be the name of a bucket, with a prefix or without")
    return ExportsConfig(
        athena_database=database or ExportsConfig.athena_database,
        athena_workgroup=workgroup or ("primary" if any(named) or is_lambda else None),
        athena_output=f"s3://{bucket.rstrip('/')}/",
        region=read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION"),
        tables=_tables(read),
        api_secret_name=None if credentials else _secret_name(read, environment, is_lambda),
        api_credentials=credentials,
        batch_size=read.integer("BATCH_SIZE", 100, 1, 10_000),
        max_records=read.integer("MAX_RECORDS", 10_000, 1, 100_000_000),
        concurrency=read.integer("EXPORT_CONCURRENCY", 4, 1, 32),
        requests_per_second=read.number("EXPORT_REQUESTS_PER_SECOND", 0, 0, 10_000),
        max_retries=read.integer("EXPORT_MAX_RETRIES", 100, 0, 10_000),
        timeout_seconds=read.number("EXPORT_TIMEOUT_SECONDS", 30, 0.1, 900),
        query_seconds=read.number("EXPORT_QUERY_SECONDS", 1800, 1, 86_400),
    )


def table_prefix(environment: str) -> str:
    """Return what the names of an environment's tables begin with, before the underscore."""
    return re.sub("[^a-z0-9_]+", "_", environment.lower())


def _secret_name(read: Reader, environment: str, is_lambda: bool) -> str | None:
    """Read the name of the partner's secret; on Lambda it has a name of its own where nobody has given it another."""
    name = read.text("API_SECRET_NAME") or (f"{environment}/api/credentials" if is_lambda else None)
    if name and not re.fullmatch(r"[A-Za-z0-9/_+=.@:!-]{1,2048}", name):
        read.refuse("API_SECRET_NAME must be the name or the ARN of a secret")
    return name


def _tables(read: Reader) -> tuple[TableRule, ...] | None:
    """Read EXPORT_TABLES: names, or a JSON object such as {"dev_orders_silver": {"key": ["order_id"]}}."""
    text = read.text("EXPORT_TABLES")
    if text is None:
        return None
    rules = _json(text) if text.startswith("{") else {name: {} for name in read.words("EXPORT_TABLES")}
    if not isinstance(rules, dict) or not all(_is_rule(name, rule) for name, rule in rules.items()):
        read.refuse(
            'EXPORT_TABLES must list names of tables, or be JSON such as {"dev_orders_silver": {"key": ["order_id"],'
            ' "date": "ordered_at"}}'
        )
        return ()
    return tuple(TableRule(name, tuple(rule.get("key", ())), rule.get("date")) for name, rule in rules.items())


def _is_rule(name: str, rule: Any) -> bool:
    if not _TABLE.fullmatch(name) or not isinstance(rule, Mapping) or not rule.keys() <= {"key", "date"}:
        return False
    key = rule.get("key", [])
    return (
        isinstance(key, list)
        and all(isinstance(column, str) for column in key)
        and isinstance(rule.get("date", ""), str)
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
