"""The embedded engine alone: its files, its processes, how it is sealed, and what its tables may look like."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from datetime import time as clock
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo
from pyiceberg.types import DecimalType, LongType, StringType

from service.exports.lake import iceberg
from service.exports.lake.catalog import Table
from service.exports.lake.engine import EngineError, EngineUnavailable, QueryState, Text
from service.exports.lake.local import LocalEngine
from service.exports.lake.spool import KEEP_SECONDS, LOST
from tests.exports.lake.lakes import LocalLake, column_of, condition, ended, new_name, records, run, select, texts

CANCELLED = QueryState("CANCELLED")


@pytest.fixture
def results(local_lake: LocalLake) -> Path:
    return local_lake.directory / "results"


@pytest.fixture(scope="module")
def big(local_lake: LocalLake) -> Table:
    """A table of 100,000 rows of 8 columns, in several files."""
    table = local_lake.create("big", _rows(0, 20_000))
    with iceberg.opened(local_lake.directory) as catalog:
        for start in range(20_000, 100_000, 20_000):
            catalog.load_table((iceberg.NAMESPACE, "big")).append(_rows(start, start + 20_000))
    return table


def _rows(start: int, end: int) -> pa.Table:
    numbers = range(start, end)
    return pa.table(
        {
            "id": pa.array(numbers),
            **{f"text{index}": pa.array([f"text {index} of {number}" for number in numbers]) for index in range(5)},
            "amount": pa.array([Decimal(number) / 4 for number in numbers], pa.decimal128(12, 2)),
            "nothing": pa.array([None for _ in numbers], pa.string()),
        }
    )


def slow(what: str) -> Text:
    """Return a query that does not end while a test does, over the big table."""
    return Text(f'SELECT {what} FROM "big" CROSS JOIN range(10000000)', ())


def files(results: Path, query_id: str) -> list[str]:
    return sorted(path.suffix for path in results.iterdir() if path.stem == query_id)


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a script in a process of its own."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def running(local_lake: LocalLake, big: Table) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process with a query that runs, and the id of the query."""
    process = python(
        """
        import sys, time
        from pathlib import Path
        from service.exports.lake.engine import Text
        from service.exports.lake.local import LocalEngine
        engine = LocalEngine(Path(sys.argv[1]), "test")
        print(engine.start(Text(sys.argv[2], ()), sys.argv[3]), flush=True)
        time.sleep(60)
        """,
        local_lake.directory.parent,
        slow('"id"').sql,
        "of another process",
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_query_is_stopped_and_leaves_no_file(local_lake: LocalLake, big: Table, results: Path) -> None:
    engine = local_lake.engine
    query_id = engine.start(slow("COUNT(*)"), token := new_name())
    assert engine.look(query_id).state == "RUNNING"

    started = time.monotonic()
    engine.stop(query_id)

    assert engine.look(query_id) == CANCELLED
    while ".part" in files(results, query_id):
        assert time.monotonic() - started < 10
        time.sleep(0.005)
    assert files(results, query_id) == [".stopped"]
    assert engine.start(slow("COUNT(*)"), token) == query_id
    assert engine.look(query_id) == CANCELLED
    with pytest.raises(EngineError, match="not there"):
        list(engine.result(query_id).rows())


def test_every_process_knows_how_a_query_is_and_may_stop_it(
    local_lake: LocalLake, running: tuple[subprocess.Popen[str], str], results: Path
) -> None:
    _, query_id = running
    assert local_lake.engine.look(query_id) == QueryState("RUNNING")

    local_lake.engine.stop(query_id)

    assert local_lake.engine.look(query_id) == CANCELLED
    expires_at = time.monotonic() + 15
    while ".part" in files(results, query_id):
        assert time.monotonic() < expires_at
        time.sleep(0.01)
    (results / f"{query_id}.stopped").unlink()


def test_a_query_that_runs_elsewhere_is_not_run_again_and_one_that_lost_its_process_is(
    local_lake: LocalLake, running: tuple[subprocess.Popen[str], str], results: Path
) -> None:
    process, query_id = running
    quick = Text('SELECT "id" FROM "big" LIMIT 1', ())
    assert local_lake.engine.start(quick, "of another process") == query_id
    assert local_lake.engine.look(query_id) == QueryState("RUNNING")

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert local_lake.engine.look(query_id) == LOST
    assert LOST.state == "FAILED"
    assert LOST.is_retryable
    assert local_lake.engine.start(quick, "of another process") == query_id
    assert ended(local_lake.engine, query_id) == QueryState("SUCCEEDED")
    assert len(list(local_lake.engine.result(query_id).rows())) == 1
    assert files(results, query_id) == [".csv"]
    (results / f"{query_id}.csv").unlink()


@pytest.mark.parametrize("again", range(3))  # half of them abort where nobody stops the queries
def test_a_process_that_ends_stops_its_queries_first(
    local_lake: LocalLake, big: Table, results: Path, again: int
) -> None:
    names = [new_name() for _ in range(12)]

    ending = python(
        """
        import sys, time
        from pathlib import Path
        from service.exports.lake.engine import Text
        from service.exports.lake.local import LocalEngine
        engine = LocalEngine(Path(sys.argv[1]), "test")
        for name in sys.argv[3:]:
            print(engine.start(Text(sys.argv[2], ()), name))
            time.sleep(0.05)
        """,
        local_lake.directory.parent,
        slow('"id"').sql,
        *names,
    )

    told, _ = ending.communicate(timeout=30)
    assert ending.returncode == 0
    states = [local_lake.engine.look(query_id) for query_id in told.split()]
    assert len(states) == len(names)
    assert all(state.state == "FAILED" and state.is_retryable for state in states)
    for query_id in told.split():
        for path in results.glob(f"{query_id}.*"):
            path.unlink()


def test_a_failure_is_remembered_and_names_no_file(local_lake: LocalLake) -> None:
    table = local_lake.create(new_name(), pa.table({"a": [1]}))
    for path in local_lake.directory.glob(f"warehouse/**/{table.name}/data/*"):
        path.unlink()

    query_id = local_lake.engine.start(local_lake.engine.render(table, select(table)), new_name())

    state = ended(local_lake.engine, query_id)
    assert state == QueryState("FAILED", "the embedded lake cannot be read (FileNotFoundError)", is_retryable=True)
    assert LocalEngine(local_lake.directory.parent, "test").look(query_id) == state


@pytest.mark.parametrize("row", [0, 99_999], ids=["at once", "on its way"])
def test_a_query_that_fails_is_refused_whenever_that_is(
    local_lake: LocalLake, big: Table, results: Path, row: int
) -> None:
    sql = f"""SELECT "id" FROM "big" WHERE CAST(CASE WHEN "id" = {row} THEN "text1" ELSE '1' END AS INT) = 1"""

    query_id = local_lake.engine.start(Text(sql, ()), new_name())

    reason = f"Conversion Error: Could not convert string 'text 1 of {row}' to INT32"
    assert ended(local_lake.engine, query_id) == QueryState("FAILED", reason)
    assert files(results, query_id) == [".failed"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ('SELECT "a" FROM "nothing"', "there is no table 'nothing'"),
        ('SELECT "x" FROM "{table}"', "there is no column 'x' in the table"),
        ('SELECT "a" FROM "{table}", read_csv(\'/etc/passwd\')', "Permission Error"),
        ('SELECT "a" FROM "{table}", read_text(\'/etc/passwd\')', "Permission Error"),
        ('SELECT "a" FROM "{table}", glob(\'/*\')', "Permission Error"),
        ("SELECT getenv('HOME') FROM \"{table}\"", "getenv does not exist"),
        ('SELECT "a" FROM "{table}" WHERE CAST(\'/etc/x y\' AS INT) = 1', "Could not convert string a file to INT32"),
    ],
    ids=["no table", "no column", "a file", "a text", "names of files", "the environment", "a path in a reason"],
)
def test_a_query_sees_its_table_and_nothing_else(local_lake: LocalLake, sql: str, reason: str) -> None:
    table = local_lake.create(new_name(), pa.table({"a": [1]}))

    state = ended(local_lake.engine, local_lake.engine.start(Text(sql.format(table=table.name), ()), new_name()))

    assert state.state == "FAILED"
    assert not state.is_retryable
    assert reason in str(state.reason)
    assert "/" not in str(state.reason)
    assert len(str(state.reason)) <= 300


def test_tokens_and_ids_are_no_paths(local_lake: LocalLake, results: Path) -> None:
    table = local_lake.create(new_name(), pa.table({"a": [1]}))

    for token in ("../../x", "a/b", "A", "a", "é" * 500, "\0"):
        query_id = local_lake.engine.start(local_lake.engine.render(table, select(table)), token)
        assert ended(local_lake.engine, query_id).state == "SUCCEEDED"
        assert (results / f"{query_id}.csv").exists()

    for unknown in ("", "../catalog", "x" * 5000, uuid.uuid4().hex, "\0"):
        local_lake.engine.stop(unknown)
        assert local_lake.engine.look(unknown) == LOST
        with pytest.raises(EngineError):
            list(local_lake.engine.result(unknown).rows())


def test_old_results_are_removed_when_a_query_starts(local_lake: LocalLake, results: Path) -> None:
    table = local_lake.create(new_name(), pa.table({"a": [1]}))
    old, young = (run(local_lake.engine, local_lake.engine.render(table, select(table))) for _ in range(2))
    for query_id, seconds in ((old, KEEP_SECONDS + 60), (young, KEEP_SECONDS - 60)):
        moment = time.time() - seconds
        os.utime(results / f"{query_id}.csv", (moment, moment))

    run(local_lake.engine, local_lake.engine.render(table, select(table)))

    assert files(results, old) == []
    assert files(results, young) == [".csv"]


def test_a_result_is_written_in_athenas_dialect(local_lake: LocalLake, results: Path) -> None:
    rows = {"a": [None, "", 'x"\n'], "b": [[1, None], None, []]}
    table = local_lake.create(new_name(), pa.table(rows, pa.schema({"a": pa.string(), "b": pa.list_(pa.int64())})))

    query_id = run(local_lake.engine, local_lake.engine.render(table, select(table)))

    assert (results / f"{query_id}.csv").read_bytes() == b'"a","b"\n,"[1,null]"\n"",\n"x""\n","[]"\n'


def test_times_uuids_and_fixed_bytes_arrive(local_lake: LocalLake) -> None:
    one = uuid.UUID("9ec7dfb8-c382-4caf-8c02-1b218b61c7e2")
    rows = {
        "t": pa.array([clock(10, 0, 0, 120000), None], pa.time64("us")),
        "u": pa.array([one.bytes, None], pa.uuid()),
        "f": pa.array([b"\x00\xff", None], pa.binary(2)),
    }

    table = local_lake.create(new_name(), pa.table(rows))

    assert [str(column.type) for column in table.columns] == ["time", "uuid", "binary"]
    assert texts(local_lake, table) == [
        f'{{"t":"10:00:00.12","u":"{one}","f":"AP8="}}',
        '{"t":null,"u":null,"f":null}',
    ]


def test_not_a_number_is_compared_as_duckdb_does_it_everywhere(local_lake: LocalLake) -> None:
    table = local_lake.create(new_name(), column_of([1.0, float("nan"), 3.0], pa.float64()))
    found = select(table, condition('"v" > CAST(? AS DOUBLE)'), "2")

    assert [row["v"] for row in records(local_lake, table, found)] == ["NaN", Decimal("3.0")]


def test_deleted_rows_stay_away_and_changed_columns_are_as_they_are_now(local_lake: LocalLake) -> None:
    name = local_lake.create(new_name(), pa.table({"a": pa.array([1, 2, 3], pa.int32()), "b": ["x", "y", "z"]})).name
    with iceberg.opened(local_lake.directory) as catalog:
        table = catalog.load_table((iceberg.NAMESPACE, name))
        table.delete(EqualTo("a", 2))
        with table.update_schema() as change:
            change.rename_column("b", "renamed")
            change.update_column("a", LongType())
            change.add_column("c", StringType())
            change.add_column("d", DecimalType(38, 2))
        table.append(
            pa.table({"a": [2**40], "renamed": ["w"], "c": ["new"], "d": pa.array([None], pa.decimal128(38, 2))})
        )
    columns = local_lake.engine.catalog.columns(name)
    assert columns is not None

    got = records(local_lake, Table(name, columns))

    assert [tuple(row.values()) for row in sorted(got, key=lambda row: row["a"])] == [
        (1, "x", None, None),
        (3, "z", None, None),
        (2**40, "w", "new", None),
    ]


def test_a_hundred_thousand_rows_arrive_in_little_memory(local_lake: LocalLake, big: Table) -> None:
    process = python(
        """
        import json, resource, sys
        from pathlib import Path
        from service.exports.lake.catalog import Table
        from service.exports.lake.local import LocalEngine
        from service.exports.lake.values import encoder
        from tests.exports.lake.lakes import run, select
        engine = LocalEngine(Path(sys.argv[1]), "test")
        columns = engine.catalog.columns("big")
        table = Table("big", columns)
        encode = encoder(columns)
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        rows, before = 0, None
        for limit in (10_000, None):
            before = before or (peak() if rows else None)
            query_id = run(engine, engine.render(table, select(table, limit=limit)))
            for rows, located in enumerate(engine.result(query_id).rows(), 1):
                encode(located.row)
        print(json.dumps([rows, peak() - before]))
        """,
        local_lake.directory.parent,
    )
    output, _ = process.communicate(timeout=60)

    rows, grown = json.loads(output)

    assert rows == 100_000
    assert grown < 40  # MB; the rows are 12 in the file, and 60 as Python's objects


def test_many_queries_run_at_once(local_lake: LocalLake) -> None:
    table = local_lake.create(new_name(), pa.table({"a": list(range(100))}))
    text = local_lake.engine.render(table, select(table))

    ids = [local_lake.engine.start(text, new_name()) for _ in range(10)]

    assert {ended(local_lake.engine, query_id) for query_id in ids} == {QueryState("SUCCEEDED")}
    assert {len(list(local_lake.engine.result(query_id).rows())) for query_id in ids} == {100}


def test_a_lake_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "catalog.db").write_text("no database" * 1000)

    with pytest.raises(EngineUnavailable, match=r"the embedded lake cannot be read \(DatabaseError\)"):
        LocalEngine(tmp_path, "test").catalog.names()


def test_a_directory_that_cannot_be_written_to_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    engine = LocalEngine(tmp_path, "test")

    with pytest.raises(EngineUnavailable, match="cannot keep its results"):
        engine.start(Text("SELECT 1", ()), "token")
    with pytest.raises(EngineUnavailable, match="cannot be read"):
        engine.catalog.names()


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    LocalEngine(tmp_path, "test")

    assert list(tmp_path.iterdir()) == []


def test_heavy_libraries_wait_for_the_first_use() -> None:
    output, _ = python(
        """
        import sys
        import service.exports.lake.local, service.exports.lake.values
        print({"duckdb", "pyarrow", "pyiceberg", "sqlglot", "sqlalchemy"} & {*sys.modules})
        """
    ).communicate(timeout=30)

    assert output.strip() == "set()"
