"""The lake on AWS: Athena runs the queries, Glue knows the tables, S3 holds the results."""

from __future__ import annotations

import hashlib
from typing import Any

from service.exports.lake import athena_sql
from service.exports.lake.athena_calls import Aws, one_line
from service.exports.lake.athena_result import PageResult, ResultObject
from service.exports.lake.catalog import Catalog, Table
from service.exports.lake.engine import EngineUnavailable, QueryRefused, QueryState, Result, Text
from service.exports.lake.glue import GlueCatalog
from service.exports.lake.result_file import ResultFile
from service.exports.selection.statement import Statement
from service.exports.settings import ExportsConfig

PAGE_ROWS = 1000  # the most that Athena gives at once; the first is the header

_STATES = {state: state for state in ("RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")} | {"QUEUED": "RUNNING"}


class AthenaEngine:
    """Queries through Athena; see `Engine`."""

    name = "athena"

    def __init__(self, settings: ExportsConfig) -> None:
        self._database = settings.athena_database
        self._workgroup = settings.athena_workgroup or "primary"
        self._output = settings.athena_output
        self._aws = Aws(settings.region)
        self.catalog: Catalog = GlueCatalog(self._database, self._aws)

    def render(self, table: Table, statement: Statement) -> Text:
        """Return a statement as Athena's SQL. Raises `QueryRefused` where a value is longer than Athena takes."""
        return athena_sql.select(self._database, table.name, statement)

    def render_count(self, table: Table, statement: Statement) -> Text:
        """Return the query that counts the rows of a statement, without its limit."""
        return athena_sql.count(self._database, table.name, statement)

    def start(self, text: Text, token: str) -> str:
        """Start a query; return its id. Athena takes tokens of 32 characters and more: this one's digest."""
        answer = self._aws.ask(
            "athena",
            "start_query_execution",
            QueryString=text.sql,
            ClientRequestToken=hashlib.sha256(token.encode()).hexdigest(),
            WorkGroup=self._workgroup,
            QueryExecutionContext={"Database": self._database},
            ResultConfiguration={"OutputLocation": self._output},
            **({"ExecutionParameters": list(text.parameters)} if text.parameters else {}),
        )
        return str(_expected(answer.get("QueryExecutionId")))

    def look(self, query_id: str) -> QueryState:
        """Return how a query is; see `Engine`."""
        status = _expected(self._execution(query_id).get("Status"))
        state = _expected(_STATES.get(status.get("State")))
        if state != "FAILED":
            return QueryState(state)
        error = status.get("AthenaError", {})
        reason = status.get("StateChangeReason") or error.get("ErrorMessage") or "Athena gives no reason"
        return QueryState(state, one_line(reason), bool(error.get("Retryable", False)))

    def stop(self, query_id: str) -> None:
        """Stop a query; one that has ended stays as it is."""
        self._aws.ask("athena", "stop_query_execution", QueryExecutionId=query_id)

    def result(self, query_id: str) -> Result:
        """Return the rows of a query that has succeeded: those of its one page, or of its file where there are more.

        A result is as large for every process that asks: each reads it the same way, so that positions hold.
        """
        page = self._aws.ask("athena", "get_query_results", QueryExecutionId=query_id, MaxResults=PAGE_ROWS)
        if not page.get("NextToken"):
            return PageResult(_expected(page.get("ResultSet")))
        location = self._execution(query_id).get("ResultConfiguration", {}).get("OutputLocation")
        if not location:
            raise QueryRefused("the workgroup keeps its results to itself: it needs an output location in S3")
        return ResultFile(ResultObject(self._aws, location).open)

    def _execution(self, query_id: str) -> dict[str, Any]:
        answer = self._aws.ask("athena", "get_query_execution", QueryExecutionId=query_id)
        return dict(_expected(answer.get("QueryExecution")))


def _expected(found: Any) -> Any:
    """Return what an answer of Athena always holds."""
    if found is None:
        raise EngineUnavailable("Athena gave an answer that is not one of AWS")
    return found
