"""Results from Athena's pages and from its files: whole, from any position, and over connections that break."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pyarrow
import pytest

from service import deadline
from service.exports.lake import athena_calls, athena_result
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.engine import EngineUnavailable, Located, QueryRefused, Text
from service.exports.lake.types import parse
from service.exports.lake.values import encoder
from tests.athena import Athena, Fault
from tests.exports.lake.lakes import AthenaLake, Table, run, select

Query = Callable[[int], str]


@pytest.fixture(scope="module")
def server() -> Iterator[Athena]:
    with Athena() as it:
        rows = range(20_000)
        words = [[None, "", 'a "quoted" one', "two\nlines", "é, 美"][n % 5] for n in rows]
        it.create_table("many", pyarrow.table({"n": rows, "word": words, "long": [f"{n:050}" for n in rows]}))
        yield it


@pytest.fixture
def athena(server: Athena, monkeypatch: pytest.MonkeyPatch) -> Athena:
    for module in (athena_calls, athena_result):
        monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
    return server.lead(monkeypatch)


@pytest.fixture(scope="module")
def lake(server: Athena) -> AthenaLake:
    return AthenaLake(server)


@pytest.fixture
def engine(athena: Athena, lake: AthenaLake) -> AthenaEngine:
    """One for all tests: making clients takes longer than most of them."""
    return lake.engine


@pytest.fixture
def query(athena: Athena, engine: AthenaEngine) -> Query:
    """Runs a query of so many rows; returns its id."""
    return lambda count: run(engine, Text(f'SELECT * FROM "many" ORDER BY "n" LIMIT {count}', ()))


def words(found: list[Located]) -> list[list[str | None]]:
    return [located.row for located in found]


def expected(count: int) -> list[list[str | None]]:
    return [[str(n), [None, "", 'a "quoted" one', "two\nlines", "é, 美"][n % 5], f"{n:050}"] for n in range(count)]


class TestSizes:
    @pytest.mark.parametrize(
        ("count", "is_file"), [(0, False), (1, False), (998, False), (999, False), (1000, True), (1001, True)]
    )
    def test_what_one_page_holds_is_read_from_it_and_more_from_the_file(
        self, athena: Athena, engine: AthenaEngine, query: Query, count: int, is_file: bool
    ) -> None:
        query_id = query(count)
        athena.calls.clear()
        result = engine.result(query_id)
        assert words(list(result.rows())) == expected(count)
        assert athena.calls.count("GetQueryResults") == 1
        assert ("GetObject" in athena.calls) is is_file

    @pytest.mark.parametrize("count", [999, 1000, 3000])
    def test_positions_hold_in_another_process(self, athena: Athena, query: Query, count: int) -> None:
        query_id = query(count)
        every = list(AthenaEngine(athena.settings).result(query_id).rows())
        other = AthenaEngine(athena.settings).result(query_id)
        for index in (0, 1, count // 2, count - 1):
            assert list(other.rows(every[index].position)) == every[index:]
            assert [begin for begin, _ in other.bounds(every[index].position)] == [one[0] for one in every[index:]]
        assert list(other.rows(every[-1].end)) == []
        assert list(AthenaEngine(athena.settings).result(query_id).rows(every[-1].end)) == []

    def test_a_workgroup_that_keeps_its_results_is_refused(
        self, athena: Athena, engine: AthenaEngine, query: Query, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        query_id = query(2000)
        found = athena.queries.get(query_id)
        assert found
        described = found.described() | {"ResultConfiguration": {}}
        monkeypatch.setattr(found, "described", lambda: described)
        with pytest.raises(QueryRefused, match="needs an output location"):
            engine.result(query_id)

    def test_rows_of_older_trino_arrive_the_same(self, athena: Athena, engine: AthenaEngine) -> None:
        pair = pyarrow.array(
            [{"a": 1, "b": [b"x"]}, None],
            pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.list_(pyarrow.binary()))]),
        )
        athena.create_table("pairs", pyarrow.table({"pair": pair}))
        columns = engine.catalog.columns("pairs")
        assert columns
        assert columns[0].type == parse("struct<a:bigint,b:array<binary>>")
        table = Table("pairs", columns)
        told = []
        for has_legacy_rows in (False, True):
            athena.has_legacy_rows = has_legacy_rows
            result = engine.result(run(engine, engine.render(table, select(table))))
            told.append([encoder(columns)(located.row) for located in result.rows()])
        assert told[0] == told[1] == ['{"pair":{"a":1,"b":["eA=="]}}', '{"pair":null}']


class TestBrokenConnections:
    @pytest.mark.parametrize("seed", range(25))
    def test_every_row_arrives_once_wherever_they_break(
        self, athena: Athena, engine: AthenaEngine, query: Query, seed: int
    ) -> None:
        chance = random.Random(seed)
        query_id = query(6000)
        athena.seed = seed
        athena.faults = [
            Fault("cut", "GetObject", times=chance.randint(1, 3)),
            Fault(chance.choice(["error", "throttle", "reset", "lost"]), "GetObject", times=chance.randint(0, 1)),
        ]
        result = engine.result(query_id)
        position = chance.choice([0, 57])  # row 0 begins behind the names
        found = list(result.rows(0))
        assert words(found) == expected(6000)
        assert list(result.rows(found[position].position)) == found[position:]
        assert athena.applied

    def test_a_connection_that_brings_something_may_break_often(
        self, athena: Athena, engine: AthenaEngine, query: Query
    ) -> None:
        query_id = query(20_000)
        result = engine.result(query_id)
        first = list(result.rows())
        athena.faults = [Fault("cut", "GetObject", times=None, at=200_000)]
        size = athena_result.PIECE_BYTES
        with pytest.raises(EngineUnavailable):  # the last part is shorter than what is cut, and never comes whole
            assert list(result.rows()) == first
        assert len(athena.applied) > athena_result.ATTEMPTS + first[-1].end // 200_000 - 1
        assert size < 200_000

    @pytest.mark.parametrize("kind", ["cut", "reset", "error", "gateway"])
    def test_a_file_that_does_not_come_is_unavailable(
        self, athena: Athena, engine: AthenaEngine, query: Query, kind: str
    ) -> None:
        result = engine.result(query(2000))
        athena.faults = [Fault(kind, "GetObject", times=None, at=10)]
        with pytest.raises(EngineUnavailable, match="S3"):
            list(result.rows())
        assert len(athena.applied) == athena_result.ATTEMPTS
        athena.faults = []
        assert len(list(result.rows())) == 2000

    def test_waiting_ends_before_the_deadline(
        self, athena: Athena, engine: AthenaEngine, query: Query, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = engine.result(query(2000))
        athena.faults = [Fault("cut", "GetObject", times=None, at=10)]
        monkeypatch.setattr(athena_result, "FIRST_WAIT_SECONDS", 100)
        monkeypatch.setattr(athena_result.random, "uniform", lambda low, high: high)
        started = time.monotonic()
        deadline.start(5)
        try:
            with pytest.raises(EngineUnavailable):
                list(result.rows())
        finally:
            deadline.clear()
        assert time.monotonic() - started < 2

    def test_no_right_to_the_file_is_a_refusal(self, athena: Athena, engine: AthenaEngine, query: Query) -> None:
        result = engine.result(query(2000))
        athena.faults = [Fault("deny", "GetObject", times=None)]
        with pytest.raises(QueryRefused) as refusal:
            list(result.rows())
        assert refusal.value.reason == "S3 refuses: AccessDenied"
        assert len(athena.applied) == 1


class TestOneFile:
    def test_a_file_that_has_changed_is_refused(self, athena: Athena, engine: AthenaEngine, query: Query) -> None:
        query_id = query(2000)
        result = engine.result(query_id)
        rows = result.rows()
        next(rows)
        athena.s3.put_object(Bucket=athena.bucket, Key=f"{query_id}.csv", Body=b'"n","word","long"\n"1","2","3"\n')
        with pytest.raises(QueryRefused, match="has been changed"):
            list(result.rows())
        result.close()

    def test_a_file_that_is_gone_is_a_refusal(self, athena: Athena, engine: AthenaEngine, query: Query) -> None:
        query_id = query(2000)
        result = engine.result(query_id)
        athena.s3.delete_object(Bucket=athena.bucket, Key=f"{query_id}.csv")
        with pytest.raises(QueryRefused) as refusal:
            list(result.rows())
        assert refusal.value.reason == "S3 refuses: NoSuchKey"

    def test_the_bytes_of_a_file_come_from_any_offset(self, athena: Athena, engine: AthenaEngine, query: Query) -> None:
        query_id = query(1500)
        whole = athena.s3.get_object(Bucket=athena.bucket, Key=f"{query_id}.csv")["Body"].read()
        source = athena_result.ResultObject(engine._aws, f"s3://{athena.bucket}/{query_id}.csv")
        for offset in (0, 1, len(whole) - 1, len(whole)):
            stream = source.open(offset)
            assert b"".join(iter(lambda stream=stream: stream.read(7000), b"")) == whole[offset:]
            stream.close()
