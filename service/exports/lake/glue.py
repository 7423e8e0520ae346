"""The tables of the lake as Glue's catalog describes them, kept for a minute."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from service.config import ConfigError
from service.exports.lake.athena_calls import Aws, Refused
from service.exports.lake.catalog import Column
from service.exports.lake.types import UnknownType, parse

T = TypeVar("T")

KEEP_SECONDS = 60.0

_NAME = re.compile(r"[^\x00-\x1f]{1,255}")
_MISSING = "EntityNotFoundException"

log = logging.getLogger(__name__)


class GlueCatalog:
    """The tables of one database; see `Catalog`. Safe to share between threads.

    A column whose type is unknown is left out, and said so in the log: its table can be exported without it.
    """

    def __init__(self, database: str, aws: Aws) -> None:
        self._database = database
        self._aws = aws
        self._lock = threading.Lock()
        self._known: dict[str | None, tuple[float, Any]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all tables."""
        return self._kept(None, lambda: tuple(self._names()))

    def columns(self, name: str) -> tuple[Column, ...] | None:
        """Return the columns of a table and then those it is partitioned by, None where there is no such table."""
        if not _NAME.fullmatch(name):
            return None
        return self._kept(name, lambda: self._columns(name))

    def _names(self) -> Iterator[str]:
        further: dict[str, str] = {}
        while True:
            page = self._ask("get_tables", DatabaseName=self._database, **further)
            yield from (table["Name"] for table in page.get("TableList", []))
            if not page.get("NextToken"):
                return
            further = {"NextToken": page["NextToken"]}

    def _columns(self, name: str) -> tuple[Column, ...] | None:
        try:
            table = self._aws.ask("glue", "get_table", DatabaseName=self._database, Name=name)["Table"]
        except Refused as refused:
            if refused.code == _MISSING:
                return None
            raise self._unusable(refused) from None
        described = [*table.get("StorageDescriptor", {}).get("Columns", []), *table.get("PartitionKeys", [])]
        columns: dict[str, Column] = {}  # Iceberg's partitions are columns already
        for one in described:
            if one.get("Parameters", {}).get("iceberg.field.current") == "false":
                continue
            try:
                columns.setdefault(one["Name"], Column(one["Name"], parse(one.get("Type", ""))))
            except UnknownType:
                log.warning("a column is left out: its type is unknown", extra={"table": name, "column": one["Name"]})
        return tuple(columns.values())

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return self._aws.ask("glue", operation, **parameters)
        except Refused as refused:
            raise self._unusable(refused) from None

    def _unusable(self, refused: Refused) -> ConfigError:
        if refused.code == _MISSING:
            return ConfigError(f"ATHENA_DATABASE is wrong: Glue knows no database {self._database!r}")
        return ConfigError(f"The tables of {self._database!r} (ATHENA_DATABASE) cannot be read: {refused.reason}")

    def _kept(self, key: str | None, read: Callable[[], T]) -> T:
        """Return what was read in the last minute, or read it."""
        with self._lock:
            read_at, value = self._known.get(key, (float("-inf"), None))
        if time.monotonic() - read_at < KEEP_SECONDS:
            found: T = value
            return found
        found = read()
        if found is not None:  # a table that is missing may be made at any time
            with self._lock:
                self._known[key] = time.monotonic(), found
        return found
