"""RDS Data API, as far as it is used: one statement, as the user whose secret is named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg2

from tests.rehearsal import aws
from tests.rehearsal.database import Databases, NoCluster

_PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")


class BadRequest(Exception):
    """What the Data API answers with 400: its code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DataApi:
    """Runs statements on the clusters."""

    def __init__(self, databases: Databases, moto: str) -> None:
        self._databases = databases
        self._secrets = aws.client("secretsmanager", moto)

    def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer `ExecuteStatement`, in a transaction of its own. Raises `BadRequest`."""
        if "transactionId" in request:
            raise BadRequest("BadRequestException", "There are no transactions here")
        try:
            cluster = self._databases.of(request["resourceArn"])
        except NoCluster:
            raise BadRequest("BadRequestException", "HttpEndpoint is not enabled for resource") from None
        secret = json.loads(self._secrets.get_secret_value(SecretId=request["secretArn"])["SecretString"])
        database = request.get("database") or "postgres"
        try:
            with closing(cluster.connect(database, secret["username"], secret["password"])) as connection:
                records, count = _run(connection, request["sql"], request.get("parameters") or [])
        except psycopg2.Error as error:
            raise BadRequest("DatabaseErrorException", f"{str(error).strip()}; SQLState: {error.pgcode}") from error
        return {"records": records, "numberOfRecordsUpdated": count, "generatedFields": []}


def _run(connection: Any, statement: str, parameters: list[dict[str, Any]]) -> tuple[list[list[dict[str, Any]]], int]:
    """Run a statement in a transaction of its own; return its rows, and how many it has changed."""
    with connection, connection.cursor() as cursor:
        cursor.execute(*_bound(statement, parameters))
        if cursor.description:
            return [[_field(value) for value in row] for row in cursor.fetchall()], 0
        return [], max(cursor.rowcount, 0)


def _bound(statement: str, parameters: Iterable[dict[str, Any]]) -> tuple[str, dict[str, Any] | None]:
    """Return the statement with psycopg2's placeholders, and the values of its parameters."""
    values = {parameter["name"]: _value(parameter["value"]) for parameter in parameters}
    if not values:
        return statement, None

    def placeholder(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise BadRequest("BadRequestException", f"Missing value for parameter: {match[1]}")
        return f"%({match[1]})s"

    return _PARAMETER.sub(placeholder, statement.replace("%", "%%")), values


def _value(field: dict[str, Any]) -> Any:
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value


def _field(value: Any) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, datetime | date | Decimal):
        return {"stringValue": str(value)}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value)}
