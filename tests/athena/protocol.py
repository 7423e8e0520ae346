"""Athena's API: JSON in, JSON out, and the errors that Athena gives for what it does not take."""

from __future__ import annotations

import base64
import json
import mmap
import re
import time
from collections.abc import Callable
from typing import Any

from tests.athena import dialect
from tests.athena.queries import Queries, Query, location

MAX_ROWS = 1000
MAX_SQL = 262_144

_VALUE = re.compile(rb'(?:"((?:[^"]|"")*)")?([,\n])')  # of a result file


class Refusal(Exception):
    """An error of Athena's."""

    def __init__(self, message: str, code: str = "InvalidRequestException", **members: str) -> None:
        super().__init__(message)
        self.body = {"__type": code, "Message": message, **members}


class Protocol:
    """Answers Athena's calls. `has_bucket` says whether there is one of a name."""

    def __init__(
        self, queries: Queries, workgroups: set[str], database: str, has_bucket: Callable[[str], bool]
    ) -> None:
        self.page_latency = 0.0
        self._queries = queries
        self._workgroups = workgroups
        self._database = database
        self._has_bucket = has_bucket
        self._apis = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._get,
            "BatchGetQueryExecution": self._batch_get,
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
        }

    def answer(self, api: str, sent: dict[str, Any]) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        try:
            if api not in self._apis:
                raise Refusal(f"{api} is not there", "UnknownOperationException")
            return 200, json.dumps(self._apis[api](sent)).encode()
        except Refusal as refusal:
            return 400, json.dumps(refusal.body).encode()

    def _start(self, sent: dict[str, Any]) -> dict[str, Any]:
        sql, token, workgroup = (
            sent.get("QueryString", ""),
            sent.get("ClientRequestToken", ""),
            sent.get("WorkGroup", "primary"),
        )
        parameters = sent.get("ExecutionParameters")
        output = sent.get("ResultConfiguration", {}).get("OutputLocation", "")
        if not 0 < len(sql) <= MAX_SQL:
            raise Refusal(f"queryString must have 1 to {MAX_SQL} characters", AthenaErrorCode="INVALID_INPUT")
        if not 32 <= len(token) <= 128:
            raise Refusal("clientRequestToken must have 32 to 128 characters", AthenaErrorCode="INVALID_INPUT")
        if parameters is not None and (not parameters or not all(0 < len(one) <= 1024 for one in parameters)):
            raise Refusal("executionParameters must have 1 to 1024 characters each", AthenaErrorCode="INVALID_INPUT")
        if workgroup not in self._workgroups:
            raise Refusal(f"WorkGroup {workgroup} is not found.")
        found = location(output)
        if found is None or not self._has_bucket(found[0]):
            raise Refusal(f"Unable to verify/create output bucket {found[0] if found else output}")
        try:
            dialect.query(sql)
        except dialect.SyntaxMistake as mistake:
            raise Refusal(str(mistake), AthenaErrorCode="MALFORMED_QUERY") from None
        database = sent.get("QueryExecutionContext", {}).get("Database", "default")
        query = self._queries.start(Query(sql, parameters or [], database, workgroup, output, token))
        if query is None:
            raise Refusal("Idempotent parameters do not match")
        return {"QueryExecutionId": query.id}

    def _get(self, sent: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": self._query(sent).described()}

    def _batch_get(self, sent: dict[str, Any]) -> dict[str, Any]:
        found = {query_id: self._queries.get(query_id) for query_id in sent["QueryExecutionIds"]}
        return {
            "QueryExecutions": [query.described() for query in found.values() if query],
            "UnprocessedQueryExecutionIds": [
                {"QueryExecutionId": query_id, "ErrorCode": "INVALID_INPUT", "ErrorMessage": _missing(query_id)}
                for query_id, query in found.items()
                if query is None
            ],
        }

    def _stop(self, sent: dict[str, Any]) -> dict[str, Any]:
        self._queries.stop(self._query(sent))
        return {}

    def _results(self, sent: dict[str, Any]) -> dict[str, Any]:
        query = self._query(sent)
        most = sent.get("MaxResults", MAX_ROWS)
        if not 1 <= most <= MAX_ROWS:
            raise Refusal(
                f"MaxResults is more than maximum allowed length {MAX_ROWS}.", AthenaErrorCode="INVALID_INPUT"
            )
        if query.state in ("QUEUED", "RUNNING"):
            raise Refusal(f"Query has not yet finished. Current state: {query.state}")
        if query.state != "SUCCEEDED" or query.path is None:
            raise Refusal(f"Query did not finish successfully. Final query state: {query.state}")
        time.sleep(self.page_latency)
        with query.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            rows, end = _page(data, _offset(query, sent.get("NextToken")), most, len(query.columns))
            further = {"NextToken": _token(query, end)} if end < len(data) else {}
        return {"ResultSet": {"Rows": rows, "ResultSetMetadata": _metadata(query)}, "UpdateCount": 0, **further}

    def _query(self, sent: dict[str, Any]) -> Query:
        query_id = sent.get("QueryExecutionId", "")
        query = self._queries.get(query_id)
        if query is None:
            raise Refusal(_missing(query_id), AthenaErrorCode="INVALID_INPUT")
        return query


def _missing(query_id: str) -> str:
    return f"QueryExecution {query_id} was not found"


def _page(data: mmap.mmap, offset: int, most: int, width: int) -> tuple[list[dict[str, Any]], int]:
    """Return the rows of a page, and the offset behind them."""
    rows: list[dict[str, Any]] = []
    row: list[dict[str, str]] = []
    for match in _VALUE.finditer(data, offset):
        value = match[1]
        row.append({} if value is None else {"VarCharValue": value.replace(b'""', b'"').decode()})
        if match[2] == b"\n":
            assert len(row) == width
            rows.append({"Data": row})
            row = []
            offset = match.end()
            if len(rows) == most:
                break
    return rows, offset


def _token(query: Query, offset: int) -> str:
    return base64.b64encode(f"{query.id}:{offset}".encode()).decode()


def _offset(query: Query, token: str | None) -> int:
    if token is None:
        return 0
    try:
        query_id, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        query_id = offset = ""
    if query_id != query.id or not offset.isdecimal():
        raise Refusal("Invalid NextToken", AthenaErrorCode="INVALID_INPUT")
    return int(offset)


def _metadata(query: Query) -> dict[str, Any]:
    return {"ColumnInfo": [_column(column.name, column.type) for column in query.columns]}


def _column(name: str, kind: str) -> dict[str, Any]:
    plain = re.match(r"[a-z]+", kind)
    zone = " with time zone" if kind.endswith("with time zone") else ""
    numbers = [int(one) for one in re.findall(r"\d+", kind)] if kind.startswith("decimal") else [0, 0]
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": (plain[0] if plain else kind) + zone,
        "Precision": numbers[0],
        "Scale": numbers[1],
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind.startswith("varchar"),
    }
