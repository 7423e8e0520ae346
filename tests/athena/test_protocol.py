from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pyarrow
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.athena import Athena, Fault
from tests.athena.queries import Failure

TOKEN = "t" * 32


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[str, str]:
    """Call in vain; return the code and the message."""
    with pytest.raises(ClientError) as refusal:
        call(*arguments, **named)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def numbers(athena: Athena, count: int) -> str:
    athena.create_table("numbers", pyarrow.table({"n": range(count), "word": [f"word {n}" for n in range(count)]}))
    return f'SELECT "n", "word" FROM "{athena.database}"."numbers"'


class TestStart:
    def test_a_query_runs_and_is_described(self, athena: Athena, start: Any, end: Any) -> None:
        query_id = start("SELECT 1 AS one")
        found = end(query_id)
        assert found["QueryExecutionId"] == query_id
        assert found["Query"] == "SELECT 1 AS one"
        assert found["Status"]["State"] == "SUCCEEDED"
        assert found["Status"]["SubmissionDateTime"] <= found["Status"]["CompletionDateTime"]
        assert found["Statistics"]["DataScannedInBytes"] == len(b'"one"\n"1"\n')
        assert found["ResultConfiguration"]["OutputLocation"] == f"s3://{athena.bucket}/results/{query_id}.csv"
        file = athena.s3.get_object(Bucket=athena.bucket, Key=f"results/{query_id}.csv")["Body"].read()
        assert file == b'"one"\n"1"\n'
        athena.s3.head_object(Bucket=athena.bucket, Key=f"results/{query_id}.csv.metadata")

    def test_a_token_starts_one_query(self, athena: Athena, start: Any) -> None:
        before = len(athena.queries.started)
        ids = {start("SELECT 1", ClientRequestToken=TOKEN) for _ in range(3)}
        assert len(ids) == 1
        assert len(athena.queries.started) == before + 1

    @pytest.mark.parametrize(
        "changed",
        [{"sql": "SELECT 2 + ?"}, {"ExecutionParameters": ["2"]}, {"WorkGroup": "primary"}],
        ids=["text", "parameters", "workgroup"],
    )
    def test_a_token_is_of_one_query_alone(self, start: Any, changed: dict[str, Any]) -> None:
        same = {"sql": "SELECT ?", "ExecutionParameters": ["1"], "ClientRequestToken": uuid.uuid4().hex}
        start(**same)
        assert refused(start, **same | changed) == ("InvalidRequestException", "Idempotent parameters do not match")

    @pytest.mark.parametrize(
        ("sql", "arguments", "said"),
        [
            ("SELEC 1", {}, "mismatched input"),
            ("SELECT 1; SELECT 2", {}, "Only one sql statement"),
            ("DROP TABLE x", {}, "must be a query"),
            ("x" * 262_145, {}, "262144"),
            ("SELECT 1", {"ClientRequestToken": "t" * 129}, "32 to 128"),
            ("SELECT ?", {"ExecutionParameters": ["1" * 1025]}, "1 to 1024"),
            ("SELECT 1", {"WorkGroup": "nobodys"}, "WorkGroup nobodys is not found"),
            ("SELECT 1", {"ResultConfiguration": {"OutputLocation": "s3://no-such-bucket/"}}, "output bucket"),
            ("SELECT 1", {"ResultConfiguration": {}}, "output bucket"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_athena_does_not_take_is_refused(
        self, athena: Athena, start: Any, sql: str, arguments: dict[str, Any], said: str
    ) -> None:
        before = len(athena.queries.started)
        code, message = refused(start, sql, **arguments)
        assert code == "InvalidRequestException"
        assert said in message
        assert len(athena.queries.started) == before


class TestParameters:
    def test_they_are_literals_in_the_order_of_the_text(self, rows: Any) -> None:
        sql = "SELECT ? AS a, '?' AS b, ? AS c WHERE ? = 'O''Neil'"
        assert rows(sql, ExecutionParameters=["1", "'two'", "'O''Neil'"]) == [["1", "?", "two"]]

    @pytest.mark.parametrize(
        ("parameters", "said"),
        [
            (["1"], "expected 2 but found 1"),
            (["1", "2", "3"], "expected 2 but found 3"),
            (["1", "2 OR 1 = 1"], "must be literals"),
            (["1", "(SELECT 1)"], "must be literals"),
            (["1", "'"], "must be literals"),
        ],
        ids=["too few", "too many", "expression", "subquery", "open quote"],
    )
    def test_other_ones_fail(self, start: Any, end: Any, parameters: list[str], said: str) -> None:
        status = end(start("SELECT ? WHERE 1 = ?", ExecutionParameters=parameters))["Status"]
        assert status["State"] == "FAILED"
        assert status["StateChangeReason"].startswith("INVALID_PARAMETER_USAGE")
        assert said in status["StateChangeReason"]


class TestStates:
    def test_a_query_waits_and_runs_until_it_is_told(self, athena: Athena, client: Any, start: Any, end: Any) -> None:
        def state(query_id: str) -> str:
            found = client.get_query_execution(QueryExecutionId=query_id)
            return str(found["QueryExecution"]["Status"]["State"])

        athena.queries.hold("QUEUED")
        query_id = start("SELECT 1")
        assert state(query_id) == "QUEUED"
        athena.queries.hold("RUNNING")
        athena.queries.stop(athena.queries.get(start("SELECT 2")))  # wakes the first
        athena.queries.wait(athena.queries.get(query_id), "RUNNING")
        assert state(query_id) == "RUNNING"
        assert refused(client.get_query_results, QueryExecutionId=query_id) == (
            "InvalidRequestException",
            "Query has not yet finished. Current state: RUNNING",
        )
        athena.queries.release()
        assert end(query_id)["Status"]["State"] == "SUCCEEDED"

    @pytest.mark.parametrize("held", ["QUEUED", "RUNNING"])
    def test_a_query_is_stopped(self, athena: Athena, client: Any, start: Any, end: Any, held: str) -> None:
        athena.queries.hold(held)
        query_id = start("SELECT 1")
        athena.queries.wait(athena.queries.get(query_id), held)
        for _ in range(2):
            client.stop_query_execution(QueryExecutionId=query_id)
        assert end(query_id)["Status"]["State"] == "CANCELLED"
        assert athena.queries.stopped == [query_id] * 2
        assert refused(client.get_query_results, QueryExecutionId=query_id)[1].endswith("CANCELLED")

    def test_a_query_that_works_is_interrupted(self, athena: Athena, client: Any, start: Any, end: Any) -> None:
        query_id = start("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7")
        query = athena.queries.get(query_id)
        athena.queries.wait(query, "RUNNING")
        client.stop_query_execution(QueryExecutionId=query_id)
        assert end(query_id)["Status"]["State"] == "CANCELLED"

    def test_a_query_that_has_ended_is_not_stopped(self, client: Any, start: Any, end: Any) -> None:
        query_id = start("SELECT 1")
        end(query_id)
        client.stop_query_execution(QueryExecutionId=query_id)
        assert end(query_id)["Status"]["State"] == "SUCCEEDED"

    @pytest.mark.parametrize("is_retryable", [True, False, None])
    def test_a_query_fails_as_it_is_told(
        self, athena: Athena, client: Any, start: Any, end: Any, is_retryable: bool | None
    ) -> None:
        athena.fail(Failure("EXCEEDED: too much", is_retryable))
        query_id = start("SELECT 1")
        status = end(query_id)["Status"]
        assert (status["State"], status["StateChangeReason"]) == ("FAILED", "EXCEEDED: too much")
        assert status.get("AthenaError", {}).get("Retryable") is is_retryable
        assert "FAILED" in refused(client.get_query_results, QueryExecutionId=query_id)[1]
        assert end(start("SELECT 1"))["Status"]["State"] == "SUCCEEDED"

    def test_many_are_described_at_once(self, client: Any, start: Any) -> None:
        query_id = start("SELECT 1")
        answer = client.batch_get_query_execution(QueryExecutionIds=[query_id, "nobodys"])
        assert [one["QueryExecutionId"] for one in answer["QueryExecutions"]] == [query_id]
        assert [one["QueryExecutionId"] for one in answer["UnprocessedQueryExecutionIds"]] == ["nobodys"]

    def test_failures_by_chance_are_the_same_for_the_same_seed(self) -> None:
        def drawn(seed: int) -> list[Any]:
            with Athena(seed=seed, failure_probability=0.5) as athena:
                return [athena.queries.draw_failure() for _ in range(30)]

        assert drawn(1) == drawn(1) != drawn(2)


class TestResults:
    def test_pages_go_on_where_the_last_one_ended(self, athena: Athena, client: Any, start: Any, end: Any) -> None:
        query_id = start(numbers(athena, 25))
        end(query_id)
        pages = list(
            client.get_paginator("get_query_results").paginate(
                QueryExecutionId=query_id, PaginationConfig={"PageSize": 10}
            )
        )
        assert [len(page["ResultSet"]["Rows"]) for page in pages] == [10, 10, 6]
        found = [row["Data"][0]["VarCharValue"] for page in pages for row in page["ResultSet"]["Rows"]]
        assert found == ["n", *map(str, range(25))]
        columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        assert [(column["Name"], column["Type"]) for column in columns] == [("n", "bigint"), ("word", "varchar")]

    @pytest.mark.parametrize(("count", "is_more"), [(998, False), (999, False), (1000, True), (1001, True)])
    def test_a_page_holds_a_thousand_rows_with_the_header(
        self, athena: Athena, client: Any, start: Any, end: Any, count: int, is_more: bool
    ) -> None:
        query_id = start(numbers(athena, count))
        end(query_id)
        page = client.get_query_results(QueryExecutionId=query_id)
        assert len(page["ResultSet"]["Rows"]) == min(count + 1, 1000)
        assert ("NextToken" in page) is is_more

    def test_null_is_not_the_empty_text(self, rows: Any) -> None:
        assert rows("SELECT NULL AS a, '' AS b, 'x\"\n,' AS c") == [[None, "", 'x"\n,']]

    @pytest.mark.parametrize(
        "arguments", [{"MaxResults": 1001}, {"NextToken": "nonsense"}, {"NextToken": "bm9ib2R5Ojc="}], ids=str
    )
    def test_other_pages_are_refused(self, client: Any, start: Any, end: Any, arguments: dict[str, Any]) -> None:
        query_id = start("SELECT 1")
        end(query_id)
        assert refused(client.get_query_results, QueryExecutionId=query_id, **arguments)[0] == "InvalidRequestException"

    @pytest.mark.parametrize("api", ["get_query_execution", "get_query_results", "stop_query_execution"])
    def test_a_query_that_is_nobodys_is_refused(self, client: Any, api: str) -> None:
        code, message = refused(getattr(client, api), QueryExecutionId="nobodys")
        assert (code, message) == ("InvalidRequestException", "QueryExecution nobodys was not found")


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "api", "code", "status"),
        [
            ("throttle", "StartQueryExecution", "TooManyRequestsException", 400),
            ("throttle", "GetQueryExecution", "ThrottlingException", 400),
            ("error", "GetQueryExecution", "InternalServerException", 500),
            ("deny", "GetQueryExecution", "AccessDeniedException", 400),
        ],
        ids=lambda value: str(value),
    )
    def test_calls_are_refused(
        self, athena: Athena, client: Any, start: Any, kind: str, api: str, code: str, status: int
    ) -> None:
        query_id = start("SELECT 1")
        athena.faults = [Fault(kind, api)]
        with pytest.raises(ClientError) as refusal:
            start("SELECT 1") if api == "StartQueryExecution" else client.get_query_execution(QueryExecutionId=query_id)
        assert refusal.value.response["Error"]["Code"] == code
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert [one for one, _ in athena.applied] == [api]
        start("SELECT 1")

    @pytest.mark.parametrize(("kind", "is_started"), [("reset", False), ("lost", True)])
    def test_connections_are_reset(self, athena: Athena, start: Any, kind: str, is_started: bool) -> None:
        before = len(athena.queries.started)
        athena.faults = [Fault(kind, "StartQueryExecution")]
        with pytest.raises(ConnectionClosedError):
            start("SELECT 1")
        assert len(athena.queries.started) == before + is_started

    def test_answers_are_cut(self, athena: Athena, client: Any, start: Any) -> None:
        query_id = start("SELECT 1")
        athena.faults = [Fault("cut", "GetQueryExecution", at=10)]
        with pytest.raises(Exception, match=r"Connection|IncompleteRead|reset"):
            client.get_query_execution(QueryExecutionId=query_id)

    def test_answers_are_late(self, athena: Athena, start: Any) -> None:
        import boto3
        from botocore.config import Config

        query_id = start("SELECT 1")
        athena.faults = [Fault("slow", seconds=0.5)]
        hasty = boto3.client("athena", config=Config(read_timeout=0.1, retries={"total_max_attempts": 1}))
        with pytest.raises(ReadTimeoutError):
            hasty.get_query_execution(QueryExecutionId=query_id)
        hasty.close()

    def test_they_come_by_chance_from_a_seed(self, athena: Athena, client: Any, start: Any) -> None:
        query_id = start("SELECT 1")

        def drawn(seed: int) -> list[bool]:
            athena.seed = seed
            athena.faults = [Fault("error", times=None, probability=0.5)]
            outcomes = []
            for _ in range(20):
                try:
                    client.get_query_execution(QueryExecutionId=query_id)
                    outcomes.append(True)
                except ClientError:
                    outcomes.append(False)
            return outcomes

        assert drawn(1) == drawn(1) != drawn(2)

    def test_every_call_is_noted_but_its_own(self, athena: Athena, client: Any, start: Any, end: Any) -> None:
        end(start("SELECT 1"))
        assert athena.calls[0] == "StartQueryExecution"
        assert set(athena.calls[1:]) == {"GetQueryExecution"}
