"""A lake that is none: one table in a file, and queries that have ended when they are started, in every process."""

from __future__ import annotations

import json
import os
from functools import partial
from hashlib import blake2b
from pathlib import Path

from service.exports.lake.catalog import Catalog, Column, Table
from service.exports.lake.engine import EngineError, QueryState, Result, Text
from service.exports.lake.result_file import ResultFile
from service.exports.lake.types import parse
from service.exports.selection.statement import Statement
from tests.exports.rows import TABLE, TYPES, Record


class Recorded:
    """An `Engine` over a directory. `started` and `stopped` are ids of queries, but for those that count."""

    name = "recorded"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.catalog: Catalog = self

    def names(self) -> tuple[str, ...]:
        return (TABLE,)

    def columns(self, name: str) -> tuple[Column, ...] | None:
        return tuple(Column(*each) for each in self._columns()) if name == TABLE else None

    def _columns(self) -> list[tuple[str, object]]:
        return [(name, parse(kind)) for name, kind in TYPES.items()]  # type: ignore[misc]

    def put(self, rows: list[Record]) -> None:
        """Let the table hold these rows."""
        self._write(self._directory / "rows", [[_text(row[name]) for name in TYPES] for row in rows])

    def _write(self, path: Path, rows: list[list[str | None]]) -> None:
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(rows))
        draft.rename(path)

    @property
    def started(self) -> list[str]:
        return self._noted("started")

    @property
    def stopped(self) -> list[str]:
        return self._noted("stopped")

    def _noted(self, what: str) -> list[str]:
        path = self._directory / what
        return path.read_text().split() if path.exists() else []

    def _note(self, what: str, query_id: str) -> None:
        with (self._directory / what).open("a") as file:
            file.write(f"{query_id}\n")

    def render(self, table: Table, statement: Statement) -> Text:
        return Text(json.dumps({"columns": [one.name for one in statement.columns], "limit": statement.limit}), ())

    def render_count(self, table: Table, statement: Statement) -> Text:
        return Text(json.dumps({"columns": None, "limit": None}), ())

    def start(self, text: Text, token: str) -> str:
        query_id = blake2b(token.encode(), digest_size=16).hexdigest()
        path = self._path(query_id)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(self._result(**json.loads(text.sql)))
        try:
            os.link(draft, path)
        except FileExistsError:
            return query_id
        finally:
            draft.unlink()
        if '"columns": null' not in text.sql:
            self._note("started", query_id)
        return query_id

    def _result(self, columns: list[str] | None, limit: int | None) -> bytes:
        rows = json.loads((self._directory / "rows").read_text())
        if columns is None:
            return f'"count"\n"{len(rows)}"\n'.encode()
        places = [list(TYPES).index(name) for name in columns]
        lines = [columns, *([row[place] for place in places] for row in rows[:limit])]
        return "".join(",".join(map(_quoted, line)) + "\n" for line in lines).encode()

    def look(self, query_id: str) -> QueryState:
        return QueryState("SUCCEEDED" if self._path(query_id).exists() else "FAILED")

    def stop(self, query_id: str) -> None:
        self._note("stopped", query_id)

    def result(self, query_id: str) -> Result:
        return ResultFile(partial(self._open, query_id))

    def _open(self, query_id: str, position: int) -> object:
        try:
            file = self._path(query_id).open("rb", buffering=0)
        except FileNotFoundError:
            raise EngineError("there is no such result") from None
        file.seek(position)
        return file

    def _path(self, query_id: str) -> Path:
        return self._directory / f"{query_id}.csv"


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'
