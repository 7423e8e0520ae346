"""The tables of the emulated lake: their rows in DuckDB, their descriptions in Glue."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow

from tests.athena import dialect
from tests.athena.texts import MACROS, TypeMismatch, kind, shown, trino

USER_ERRORS = {
    duckdb.ConversionException: "INVALID_CAST_ARGUMENT",
    duckdb.BinderException: "COLUMN_NOT_FOUND",
    duckdb.CatalogException: "TABLE_NOT_FOUND",
}


class Failed(Exception):
    """A query failed, and would again."""


class Column(NamedTuple):
    """A column of a result, in Trino's words."""

    name: str
    type: str


class Lake:
    """One database of tables, of which queries write files below a directory. DuckDB may write nowhere else."""

    def __init__(self, database: str, directory: Path, glue: Any) -> None:
        self.database = database
        self._directory = directory
        self._glue = glue
        self._connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
        self._connection.execute("SET timezone = 'UTC'")
        self._connection.execute(f"CREATE SCHEMA {_quoted(database)}")
        self._connection.execute(MACROS)
        self._connection.execute(f"SET allowed_directories = [{_literal(str(directory))}]")
        self._connection.execute("SET enable_external_access = false")
        self._names: set[str] = set()
        self._lock = threading.Lock()
        glue.create_database(DatabaseInput={"Name": database})

    def create_table(self, name: str, table: pyarrow.Table) -> None:
        """Make a table of these rows, or replace the one of this name."""
        with self._lock:
            self._connection.register("incoming", table)
            target = f"{_quoted(self.database)}.{_quoted(name)}"
            self._connection.execute(f"CREATE OR REPLACE TABLE {target} AS SELECT * FROM incoming")
            self._connection.unregister("incoming")
        described = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"table_type": "ICEBERG", "metadata_location": f"s3://lake/{name}/metadata/0.metadata.json"},
            "StorageDescriptor": {
                "Columns": [_described(number, field) for number, field in enumerate(table.schema, 1)]
            },
        }
        write = self._glue.update_table if name in self._names else self._glue.create_table
        write(DatabaseName=self.database, TableInput=described)
        self._names.add(name)

    def run(self, sql: str, database: str, path: Path, has_legacy_rows: bool, works: Any) -> list[Column]:
        """Run a query, and write its result as Athena does; `works` is told what interrupts it. Raises `Failed`."""
        cursor = self._connection.cursor()
        try:
            works(cursor.interrupt)
            cursor.execute(f"SET schema = {_literal(database)}")
            translated = dialect.Translation(functools.partial(_type_of, cursor), has_legacy_rows).duckdb(
                dialect.query(sql)
            )
            found = cursor.sql(translated)
            columns = list(zip(found.columns, found.types, strict=True))
            inner = ", ".join(f"c{number}" for number in range(len(columns)))
            texts = ", ".join(
                f"{shown(of, f'c{number}')} AS {_quoted(name)}" for number, (name, of) in enumerate(columns)
            )
            cursor.execute(
                f"COPY (SELECT {texts} FROM ({translated}) AS result({inner})) TO {_literal(str(path))}"
                " (FORMAT csv, HEADER true, FORCE_QUOTE *, NULLSTR '', QUOTE '\"', ESCAPE '\"')"
            )
            return [Column(name, trino(of)) for name, of in columns]
        except TypeMismatch as error:
            raise Failed(f"TYPE_MISMATCH: line 1:8: {error}") from None
        except duckdb.Error as error:
            code = USER_ERRORS.get(type(error), "GENERIC_USER_ERROR")
            raise Failed(f"{code}: line 1:8: {error}") from None
        finally:
            works(None)
            cursor.close()

    def close(self) -> None:
        self._connection.close()


def hive(of: pyarrow.DataType) -> str:
    """Return what Glue calls a type of an Iceberg table: both kinds of timestamp are `timestamp` there."""
    types = pyarrow.types
    if types.is_list(of) or types.is_large_list(of):
        return f"array<{hive(of.value_type)}>"
    if types.is_map(of):
        return f"map<{hive(of.key_type)},{hive(of.item_type)}>"
    if types.is_struct(of):
        return f"struct<{','.join(f'{field.name}:{hive(field.type)}' for field in of)}>"
    if types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    if types.is_timestamp(of):
        return "timestamp"
    if types.is_binary(of) or types.is_large_binary(of) or types.is_fixed_size_binary(of):
        return "binary"
    names = {"bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint"}
    names |= {"float": "float", "double": "double", "date32[day]": "date"}
    return names.get(str(of), "string")  # texts, and what Glue has no name for: time, uuid


def _described(number: int, field: pyarrow.Field) -> dict[str, Any]:
    known = {"iceberg.field.id": str(number), "iceberg.field.optional": "true", "iceberg.field.current": "true"}
    return {"Name": field.name, "Type": hive(field.type), "Parameters": known}


def _type_of(cursor: duckdb.DuckDBPyConnection, sql: str) -> Any:
    try:
        (found,) = cursor.sql(sql).types
    except duckdb.Error:
        return None
    return None if kind(found) == '"null"' else found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
