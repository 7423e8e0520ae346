from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.config import ConfigError
from service.exports.lake import athena_calls, glue
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.catalog import Catalog
from service.exports.lake.engine import EngineUnavailable
from service.exports.lake.glue import GlueCatalog
from service.exports.settings import ExportsConfig
from tests.athena import Athena, Fault
from tests.exports.lake.lakes import AthenaLake


@pytest.fixture(scope="module")
def server() -> Iterator[Athena]:
    with Athena() as it:
        yield it


@pytest.fixture
def athena(server: Athena, monkeypatch: pytest.MonkeyPatch) -> Athena:
    monkeypatch.setattr(athena_calls, "FIRST_WAIT_SECONDS", 0.001)
    return server.lead(monkeypatch)


@pytest.fixture(scope="module")
def lake(server: Athena) -> AthenaLake:
    return AthenaLake(server)


@pytest.fixture
def catalog(athena: Athena, lake: AthenaLake) -> Catalog:
    """One that knows nothing yet, with clients that are there."""
    return GlueCatalog(athena.database, lake.engine._aws)


def describe(athena: Athena, name: str, columns: list[Any], partitions: list[Any] = []) -> None:  # noqa: B006
    """Put a table into Glue, as somebody else would."""
    table = {"Name": name, "StorageDescriptor": {"Columns": columns}, "PartitionKeys": partitions}
    athena.glue.create_table(DatabaseName=athena.database, TableInput=table)


def shown(catalog: Catalog, name: str) -> list[str] | None:
    columns = catalog.columns(name)
    return None if columns is None else [f"{column.name} {column.type}" for column in columns]


def test_partitions_are_columns_and_what_iceberg_dropped_is_none(athena: Athena, catalog: Catalog) -> None:
    describe(
        athena,
        "mixed",
        [
            {"Name": "id", "Type": "bigint"},
            {"Name": "old", "Type": "string", "Parameters": {"iceberg.field.current": "false"}},
            {"Name": "new", "Type": "array<struct<a:int>>", "Parameters": {"iceberg.field.current": "true"}},
            {"Name": "day", "Type": "date"},
        ],
        [{"Name": "day", "Type": "date"}, {"Name": "region", "Type": "varchar(2)"}],
    )
    assert shown(catalog, "mixed") == [
        "id bigint",
        "new array<struct<a:int>>",
        "day date",
        "region varchar(2)",
    ]


def test_a_column_of_an_unknown_type_is_left_out_and_said_so(
    athena: Athena, catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    describe(athena, "odd", [{"Name": "id", "Type": "bigint"}, {"Name": "u", "Type": "uniontype<int,string>"}])
    assert shown(catalog, "odd") == ["id bigint"]
    (record,) = [one for one in caplog.records if one.name == glue.__name__]
    assert (record.table, record.column) == ("odd", "u")  # type: ignore[attr-defined]


def test_all_names_come_however_many_pages_they_take(athena: Athena, catalog: Catalog) -> None:
    for number in range(120):
        describe(athena, f"table_{number:03}", [{"Name": "id", "Type": "bigint"}])
    names = catalog.names()
    assert {f"table_{number:03}" for number in range(120)} <= set(names)
    assert athena.calls.count("GetTables") > 1


@pytest.mark.parametrize(
    "name", ["nobodys", "", "x" * 256, "a\nb", "a\0", "x" * 1_000_000], ids=lambda name: repr(name)[:12]
)
def test_there_is_no_other_table(athena: Athena, catalog: Catalog, name: str) -> None:
    assert catalog.columns(name) is None
    assert athena.calls == (["GetTable"] if name == "nobodys" else [])


def test_what_is_known_is_kept_for_a_minute(athena: Athena, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(athena, "kept", [{"Name": "id", "Type": "bigint"}])
    for _ in range(3):
        assert shown(catalog, "kept") == ["id bigint"]
        catalog.names()
    tables = athena.calls.count("GetTables")
    assert athena.calls.count("GetTable") == 1
    now = glue.time.monotonic()
    monkeypatch.setattr(glue.time, "monotonic", lambda: now + glue.KEEP_SECONDS)
    catalog.columns("kept")
    catalog.names()
    assert athena.calls.count("GetTable") == 2
    assert athena.calls.count("GetTables") == 2 * tables


def test_a_table_is_known_as_soon_as_it_is_made(athena: Athena, catalog: Catalog) -> None:
    assert catalog.columns("later") is None
    describe(athena, "later", [{"Name": "id", "Type": "bigint"}])
    assert shown(catalog, "later") == ["id bigint"]


def test_a_database_that_is_not_there_is_a_mistake_of_the_configuration(athena: Athena) -> None:
    settings = ExportsConfig("nobodys", athena_workgroup="primary", region=athena.settings.region)
    with pytest.raises(ConfigError, match="ATHENA_DATABASE is wrong: Glue knows no database 'nobodys'"):
        AthenaEngine(settings).catalog.names()


@pytest.mark.parametrize("kind", ["error", "reset", "throttle"])
def test_a_glue_that_does_not_answer_is_unavailable(athena: Athena, catalog: Catalog, kind: str) -> None:
    athena.faults = [Fault(kind, times=None)]
    for call in (catalog.names, lambda: catalog.columns("any")):
        with pytest.raises(EngineUnavailable, match="Glue"):
            call()


def test_no_right_to_the_catalog_is_a_mistake_of_the_configuration(athena: Athena, catalog: Catalog) -> None:
    athena.faults = [Fault("deny", times=None)]
    for call in (catalog.names, lambda: catalog.columns("any")):
        with pytest.raises(ConfigError, match="cannot be read: Glue refuses: AccessDeniedException") as error:
            call()
        assert "arn:" not in str(error.value)
