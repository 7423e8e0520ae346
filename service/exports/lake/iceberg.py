"""The tables of the embedded lake: Iceberg's, below DATA_DIR, in a catalog that PyIceberg keeps in SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from service.exports.lake.catalog import Column
from service.exports.lake.iceberg_nulls import keep_nulls
from service.exports.lake.types import Type

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import DataScan, Table
    from pyiceberg.types import IcebergType

NAMESPACE = "lake"

_KINDS = {
    **{kind: kind for kind in ("boolean", "int", "float", "double", "string", "uuid", "binary", "date", "time")},
    "long": "bigint",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "timestamp_ns": "timestamp",
    "timestamptz_ns": "timestamptz",
}


@contextmanager
def opened(directory: Path) -> Iterator[SqlCatalog]:
    """Open the catalog below a directory, which is made where there is none."""
    from pyiceberg.catalog.sql import SqlCatalog
    from sqlalchemy import URL

    keep_nulls()
    directory.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog(
        NAMESPACE,
        uri=URL.create("sqlite", database=str(directory / "catalog.db")).render_as_string(),
        warehouse=str(directory / "warehouse"),
    )
    try:
        catalog.create_namespace_if_not_exists(NAMESPACE)
        yield catalog
    finally:
        catalog.close()


def columns(table: Table) -> tuple[Column, ...]:
    """Return the columns of a table, without those of types that an export does not know."""
    found = ((field.name, type_of(field.field_type)) for field in table.schema().fields)
    return tuple(Column(name, kind) for name, kind in found if kind is not None)


def type_of(kind: IcebergType) -> Type | None:
    """Return Iceberg's type in the words of Hive, None where there are none."""
    from pyiceberg import types

    if isinstance(kind, types.ListType):
        return _nested("array", [kind.element_type])
    if isinstance(kind, types.MapType):
        return _nested("map", [kind.key_type, kind.value_type])
    if isinstance(kind, types.StructType):
        return _nested("struct", [field.field_type for field in kind.fields], [field.name for field in kind.fields])
    if isinstance(kind, types.DecimalType):
        return Type("decimal", (kind.precision, kind.scale))
    if isinstance(kind, types.FixedType):
        return Type("binary")
    return Type(_KINDS[str(kind)]) if str(kind) in _KINDS else None


def _nested(kind: str, children: Sequence[IcebergType], names: Sequence[str] = ()) -> Type | None:
    found = [type_of(child) for child in children]
    return None if None in found else Type(kind, children=tuple(filter(None, found)), names=tuple(names))


class Scan:
    """Some columns of a table, read once, one data file after the other: PyIceberg would read all of them at once.

    `failure` is what went wrong in it. Whoever reads through Arrow's streams sees another exception, which quotes it.
    """

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table = table
        self._names = tuple(names)
        self.failure: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        """Return the stream of batches."""
        import pyarrow as pa
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        scan = self._table.scan(selected_fields=self._names)
        schema = schema_to_pyarrow(scan.projection(), include_field_ids=False)
        return pa.RecordBatchReader.from_batches(schema, self._batches(scan)).cast(schema)

    def _batches(self, scan: DataScan) -> Iterator[pa.RecordBatch]:
        from pyiceberg.expressions import AlwaysTrue
        from pyiceberg.io.pyarrow import ArrowScan

        try:
            files = ArrowScan(self._table.metadata, self._table.io, scan.projection(), AlwaysTrue())
            for task in scan.plan_files():
                yield from files.to_record_batches([task])
        except Exception as error:
            self.failure = error
            raise
