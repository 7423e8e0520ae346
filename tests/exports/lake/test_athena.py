"""Athena as an engine, over its real protocol: how queries are started, watched and stopped, and what goes wrong."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from typing import Any

import pyarrow
import pytest

from service import deadline
from service.exports.lake import athena_calls
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.catalog import Column, Table
from service.exports.lake.engine import EngineError, EngineUnavailable, QueryRefused, QueryState, Text
from service.exports.lake.types import parse
from service.exports.selection.statement import Statement
from service.exports.settings import ExportsConfig
from tests.athena import Athena, Fault
from tests.athena.queries import Failure, Query
from tests.exports.lake.lakes import AthenaLake

WORD = Column("word", parse("string"))
TABLE = Table("words", (WORD,))


@pytest.fixture(scope="module")
def server() -> Iterator[Athena]:
    with Athena() as it:
        it.create_table("words", pyarrow.table({"word": ["a", "b", "it's"]}))
        yield it


@pytest.fixture
def athena(server: Athena, monkeypatch: pytest.MonkeyPatch) -> Athena:
    return server.lead(monkeypatch)


@pytest.fixture(scope="module")
def lake(server: Athena) -> AthenaLake:
    return AthenaLake(server)


@pytest.fixture
def engine(athena: Athena, lake: AthenaLake) -> AthenaEngine:
    """One for all tests: making clients takes longer than most of them."""
    return lake.engine


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttled calls are repeated at once."""
    monkeypatch.setattr(athena_calls, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    return f"{request.node.nodeid}-{time.time_ns()}"


def text(engine: AthenaEngine, value: str = "b", limit: int | None = None) -> Text:
    return engine.render(TABLE, Statement("words", (WORD,), condition(), (value,), limit))


def condition() -> Any:
    from sqlglot import exp

    return exp.EQ(this=exp.column("word", quoted=True), expression=exp.Placeholder())


def query_of(athena: Athena, query_id: str) -> Query:
    query = athena.queries.get(query_id)
    assert query
    return query


def wait(engine: AthenaEngine, query_id: str) -> QueryState:
    """Wait for the end of a query."""
    expires_at = time.monotonic() + 10
    while (state := engine.look(query_id)).state == "RUNNING":
        assert time.monotonic() < expires_at
        time.sleep(0.005)
    return state


def failure(kind: type[EngineError], call: Any, *arguments: Any) -> Any:
    """Call in vain; return why. The failure holds neither who asked nor another library's exception."""
    with pytest.raises(kind) as raised:
        call(*arguments)
    assert raised.type is kind or issubclass(raised.type, kind)
    told = "".join(traceback.format_exception(raised.value))
    for secret in ("arn:aws", "botocore.exceptions", "127.0.0.1"):
        assert secret not in told
    return raised.value


class TestQueries:
    def test_a_query_is_started_watched_and_read(self, athena: Athena, engine: AthenaEngine, token: str) -> None:
        query_id = engine.start(text(engine, "it's"), token)
        assert wait(engine, query_id) == QueryState("SUCCEEDED")
        assert [row.row for row in engine.result(query_id).rows()] == [["it's"]]
        query = query_of(athena, query_id)
        assert query.parameters == ["'it''s'"]
        assert (query.database, query.workgroup) == (athena.database, athena.settings.athena_workgroup)
        assert query.output == athena.settings.athena_output

    def test_rows_are_counted_without_the_limit(self, engine: AthenaEngine, token: str) -> None:
        statement = Statement("words", (WORD,), None, (), 1)
        for rendered, expected in (
            (engine.render(TABLE, statement), ["a"]),
            (engine.render_count(TABLE, statement), ["3"]),
        ):
            query_id = engine.start(rendered, token + rendered.sql)
            wait(engine, query_id)
            assert [row.row for row in engine.result(query_id).rows()] == [expected]

    @pytest.mark.parametrize("value", ["x" * 1022, "é" * 1022, "'" * 511], ids=["long", "letters", "quotes"])
    def test_a_value_may_be_as_long_as_athena_takes(self, engine: AthenaEngine, token: str, value: str) -> None:
        query_id = engine.start(text(engine, value), token)
        assert wait(engine, query_id) == QueryState("SUCCEEDED")
        with pytest.raises(QueryRefused, match="longer than the 1024 characters"):
            text(engine, value + "'")

    @pytest.mark.parametrize("value", ["' OR 1 = 1 --", "?", "'; DROP TABLE words", "\\' OR 'a' = 'a", "\n", "${a}"])
    def test_a_value_is_a_value(self, engine: AthenaEngine, token: str, value: str) -> None:
        query_id = engine.start(text(engine, value), token)
        assert wait(engine, query_id) == QueryState("SUCCEEDED")
        assert list(engine.result(query_id).rows()) == []

    @pytest.mark.parametrize("token", ["1", "x" * 500, "run/1 é"], ids=["short", "long", "strange"])
    def test_a_token_of_any_length_starts_one_query(self, athena: Athena, engine: AthenaEngine, token: str) -> None:
        before = len(athena.queries.started)
        other = AthenaEngine(athena.settings)  # of another process
        rendered = text(engine)
        assert engine.start(rendered, token) == other.start(rendered, token) == engine.start(rendered, token)
        assert len(athena.queries.started) == before + 1
        assert engine.start(rendered, token + "2") != engine.start(rendered, token)

    def test_a_start_whose_answer_was_lost_is_not_a_second_query(
        self, athena: Athena, engine: AthenaEngine, token: str
    ) -> None:
        before = len(athena.queries.started)
        athena.faults = [Fault("lost", "StartQueryExecution")]
        failure(EngineUnavailable, engine.start, text(engine), token)
        query_id = engine.start(text(engine), token)
        assert [query.id for query in athena.queries.started[before:]] == [query_id]

    def test_a_token_of_another_query_is_refused(self, engine: AthenaEngine, token: str) -> None:
        engine.start(text(engine), token)
        refusal = failure(QueryRefused, engine.start, text(engine, "other"), token)
        assert refusal.reason == "Athena refuses: InvalidRequestException: Idempotent parameters do not match"

    @pytest.mark.parametrize("held", ["QUEUED", "RUNNING"])
    def test_a_query_is_stopped(self, athena: Athena, engine: AthenaEngine, token: str, held: str) -> None:
        athena.queries.hold(held)
        query_id = engine.start(text(engine), token)
        athena.queries.wait(query_of(athena, query_id), held)
        assert engine.look(query_id) == QueryState("RUNNING")
        engine.stop(query_id)
        AthenaEngine(athena.settings).stop(query_id)
        assert engine.look(query_id).state == "CANCELLED"
        assert athena.queries.stopped == [query_id] * 2

    def test_a_query_that_has_ended_stays_as_it_is(self, engine: AthenaEngine, token: str) -> None:
        query_id = engine.start(text(engine), token)
        wait(engine, query_id)
        engine.stop(query_id)
        assert engine.look(query_id) == QueryState("SUCCEEDED")

    @pytest.mark.parametrize(
        ("failed", "expected"),
        [
            (Failure("no\nworkers  left", True), QueryState("FAILED", "no workers left", True)),
            (Failure("x" * 500, False), QueryState("FAILED", "x" * 300, False)),
            (Failure("nobody knows", None), QueryState("FAILED", "nobody knows", False)),
            (Failure("", None), QueryState("FAILED", "Athena gives no reason", False)),
        ],
        ids=["retryable", "not retryable", "unsaid", "no reason"],
    )
    def test_a_failed_query_says_why(
        self, athena: Athena, engine: AthenaEngine, token: str, failed: Failure, expected: QueryState
    ) -> None:
        athena.fail(failed)
        query_id = engine.start(text(engine), token)
        assert wait(engine, query_id) == expected
        failure(QueryRefused, engine.result, query_id)


class TestCalls:
    @pytest.mark.parametrize("kind", ["error", "gateway", "reset", "cut", "lost"])
    @pytest.mark.parametrize(
        ("api", "call"),
        [
            ("StartQueryExecution", lambda engine, query_id: engine.start(text(engine), query_id)),
            ("GetQueryExecution", lambda engine, query_id: engine.look(query_id)),
            ("GetQueryResults", lambda engine, query_id: engine.result(query_id)),
            ("StopQueryExecution", lambda engine, query_id: engine.stop(query_id)),
        ],
        ids=["start", "look", "result", "stop"],
    )
    def test_what_may_pass_is_unavailable(
        self, athena: Athena, engine: AthenaEngine, token: str, kind: str, api: str, call: Any
    ) -> None:
        query_id = engine.start(text(engine), token)
        wait(engine, query_id)
        athena.faults = [Fault(kind, api)]
        athena.calls.clear()
        found = failure(EngineUnavailable, call, engine, query_id)
        assert found.reason.startswith("Athena ")
        assert athena.calls == [api]
        call(engine, query_id)

    @pytest.mark.usefixtures("hasty")
    @pytest.mark.parametrize(
        ("api", "code"),
        [("GetQueryExecution", "ThrottlingException"), ("StartQueryExecution", "TooManyRequestsException")],
    )
    def test_throttled_calls_are_repeated_a_few_times(
        self, athena: Athena, engine: AthenaEngine, token: str, api: str, code: str
    ) -> None:
        athena.faults = [Fault("throttle", api, times=athena_calls.ATTEMPTS - 1)]
        query_id = engine.start(text(engine), token)
        wait(engine, query_id)
        athena.faults = [Fault("throttle", api, times=athena_calls.ATTEMPTS)]
        athena.calls.clear()
        found = failure(
            EngineUnavailable,
            *((engine.look, query_id) if api == "GetQueryExecution" else (engine.start, text(engine), token)),
        )
        assert found.reason == f"Athena refuses: {code}"
        assert found.seconds == athena_calls.THROTTLED_SECONDS
        assert athena.calls == [api] * athena_calls.ATTEMPTS

    def test_throttled_calls_are_repeated_within_the_deadline(
        self, athena: Athena, engine: AthenaEngine, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        query_id = engine.start(text(engine), token)
        monkeypatch.setattr(athena_calls.random, "uniform", lambda low, high: high)
        athena.faults = [Fault("throttle", times=None)]
        started = time.monotonic()
        deadline.start(0.3)
        try:
            failure(EngineUnavailable, engine.look, query_id)
            assert time.monotonic() - started < 0.3
            deadline.start(0)
            athena.calls.clear()
            assert failure(EngineUnavailable, engine.look, query_id).reason == "no time was left to ask Athena"
            assert athena.calls == []
        finally:
            deadline.clear()

    def test_no_right_is_a_refusal_that_does_not_say_who_asked(self, athena: Athena, engine: AthenaEngine) -> None:
        athena.faults = [Fault("deny")]
        assert failure(QueryRefused, engine.look, "any").reason == "Athena refuses: AccessDeniedException"

    def test_a_query_that_is_nobodys_is_refused(self, engine: AthenaEngine) -> None:
        assert failure(QueryRefused, engine.look, "nobodys").reason == "Athena refuses: InvalidRequestException"

    def test_what_athena_says_about_the_query_is_passed_on(self, engine: AthenaEngine, token: str) -> None:
        refusal = failure(QueryRefused, engine.start, Text("SELEC\n1", ()), token)
        assert refusal.reason.startswith("Athena refuses: InvalidRequestException: line 1:1: mismatched input.")
        assert "\n" not in refusal.reason

    def test_a_result_is_not_there_before_the_query_has_ended(
        self, athena: Athena, engine: AthenaEngine, token: str
    ) -> None:
        athena.queries.hold("RUNNING")
        query_id = engine.start(text(engine), token)
        failure(QueryRefused, engine.result, query_id)
        athena.queries.release()

    def test_nobody_answers(self, engine: AthenaEngine, athena: Athena, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", "http://127.0.0.1:9")
        found = failure(EngineUnavailable, AthenaEngine(athena.settings).look, "any")
        assert found.reason == "Athena cannot be reached: EndpointConnectionError"

    def test_no_credentials_are_a_refusal(self, athena: Athena, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, "/nowhere")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        found = failure(QueryRefused, AthenaEngine(athena.settings).look, "any")
        assert found.reason == "Athena cannot be asked: NoCredentialsError"
        assert athena.calls == []

    def test_no_region_is_a_refusal(self, athena: Athena, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
        found = failure(QueryRefused, AthenaEngine(ExportsConfig()).look, "any")
        assert found.reason == "Athena cannot be asked: NoRegionError"

    def test_threads_share_an_engine(self, athena: Athena, token: str) -> None:
        from concurrent.futures import ThreadPoolExecutor

        engine = AthenaEngine(athena.settings)
        with ThreadPoolExecutor(8) as threads:
            ids = set(threads.map(lambda _: engine.start(text(engine), token), range(8)))
        assert len(ids) == 1
