"""The emulator itself: what tests and programs start, fill with tables, and let go wrong."""

from __future__ import annotations

import functools
import random
import tempfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import boto3
import pyarrow
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from service.exports.settings import ExportsConfig
from tests.athena import dialect
from tests.athena.faults import Fault, Schedule
from tests.athena.lake import Failed, Lake
from tests.athena.protocol import Protocol
from tests.athena.queries import Failure, Queries, Query, location
from tests.athena.server import OWN, Server
from tests.athena.texts import TypeMismatch
from tests.secret_stores import CREDENTIALS, REGION

WORKGROUP = "headgate"


class Athena:
    """An AWS with Athena, Glue, S3 and all that moto knows: `with Athena() as athena: athena.environ`.

    moto keeps one state in a process: bucket and database have names of their own, unless they are given. `seed` is
    of everything that goes wrong with a probability. `page_latency` are the seconds that a page of results takes, 0 for
    as fast as it can. With `has_legacy_rows` a row is a JSON array, as it is in older Trino. With `reuses_results` a
    query that succeeded before is not run again, as Athena can be told; then the lake may not change.
    """

    def __init__(
        self,
        database: str | None = None,
        bucket: str | None = None,
        *,
        port: int = 0,
        seed: int = 1,
        page_latency: float = 0.0,
        failure_probability: float = 0.0,
        has_legacy_rows: bool = False,
        reuses_results: bool = False,
    ) -> None:
        unique = uuid.uuid4().hex[:12]
        self.database = database or f"lake_{unique}"
        self.bucket = bucket or f"athena-results-{unique}"
        self.seed = seed
        self.has_legacy_rows = has_legacy_rows
        self.reuses_results = reuses_results
        self.failure_probability = failure_probability
        self.queries = Queries(self._run)
        self.queries.draw_failure = self._draw_failure
        self._random = random.Random(f"failures {seed}")
        self._directory = tempfile.TemporaryDirectory(prefix="athena-")
        self.protocol = Protocol(self.queries, {"primary", WORKGROUP}, self.database, self._has_bucket)
        self.protocol.page_latency = page_latency
        self._server = Server(self.protocol.answer, port)
        self.url = self._server.url
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._server.start()
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.lake = Lake(self.database, Path(self._directory.name), self.glue)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and end what is running."""
        self.queries.close()
        for client in self._clients.values():
            client.close()
        self._server.close()
        self.lake.close()
        self._directory.cleanup()

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which boto3 and the service find it."""
        return {
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_ATHENA": self.url,
            "ATHENA_WORKGROUP": WORKGROUP,
            "ATHENA_DATABASE": self.database,
            "ATHENA_OUTPUT_BUCKET": self.bucket,
        }

    @property
    def settings(self) -> ExportsConfig:
        """The settings of exports; boto3 needs `environ` beside them."""
        output = f"s3://{self.bucket}/"
        return ExportsConfig(self.database, WORKGROUP, output, REGION)

    def lead(self, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Let boto3 call it, as if it had just been started: nothing goes wrong, and nothing has been called."""
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)
        self.faults = []
        self.calls.clear()
        self.queries.failures.clear()
        self.queries.stopped.clear()
        self.queries.queue_seconds = self.queries.run_seconds = 0.0
        self.queries.release()
        self.has_legacy_rows = False
        return self

    def client(self, service: str) -> Any:
        """Return a client of boto3's whose calls never go wrong and are not counted."""
        if service not in self._clients:
            keys = {name.lower(): value for name, value in CREDENTIALS.items()}
            own = Config(user_agent_extra=OWN)
            self._clients[service] = boto3.client(
                service, region_name=REGION, endpoint_url=self.url, config=own, **keys
            )
        return self._clients[service]

    @property
    def glue(self) -> Any:
        return self.client("glue")

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def create_table(self, name: str, table: pyarrow.Table) -> None:
        """Make an Iceberg table of these rows, in DuckDB and in Glue, or replace the one of this name."""
        self.lake.create_table(name, table)

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong on the way. Setting them counts calls anew."""
        return self._server.schedule.faults

    @faults.setter
    def faults(self, faults: Iterable[Fault]) -> None:
        self._server.schedule = Schedule(faults, self.seed)

    @property
    def applied(self) -> list[tuple[str, Fault]]:
        """What has gone wrong, and in a call of which API."""
        return self._server.schedule.applied

    @property
    def calls(self) -> list[str]:
        """The APIs that were called, in their order."""
        return self._server.calls

    def fail(self, *failures: Failure) -> None:
        """Let the next queries fail."""
        self.queries.failures.extend(failures)

    def serve_forever(self, on_call: Callable[[str, int], None]) -> None:
        """Tell `on_call` of every call, until somebody interrupts."""
        self._server.on_call = on_call
        self._server.join()

    def _draw_failure(self) -> Failure | None:
        if self._random.random() >= self.failure_probability:
            return None
        return Failure(is_retryable=self._random.random() < 0.5)

    def _run(self, query: Query) -> None:
        """Run a query; leave its result here and in S3."""
        path = Path(self._directory.name) / f"{query.id}.csv"
        try:
            sql = dialect.bind(query.sql, query.parameters)
        except TypeMismatch as error:
            raise Failed(f"INVALID_PARAMETER_USAGE: line 1:1: {error}") from None
        bucket, prefix = location(query.output) or ("", "")
        key = f"{prefix.rstrip('/')}/{path.name}".removeprefix("/")
        if known := self._known(query):
            query.columns, query.path = known.columns, known.path
            self.s3.copy_object(Bucket=bucket, Key=key, CopySource=known.location.removeprefix("s3://"))
        else:
            works = functools.partial(self.queries.works, query)
            query.columns = self.lake.run(sql, query.database, path, self.has_legacy_rows, works)
            query.path = path
            self.s3.upload_file(str(path), bucket, key)
        self.s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=b"\x08\x01")

    def _known(self, query: Query) -> Query | None:
        """Return a query whose result is that of this one, where results are reused."""
        done = [each for each in self.queries.started if each.state == "SUCCEEDED"] if self.reuses_results else []
        same = (each for each in done if (each.sql, each.parameters) == (query.sql, query.parameters))
        return next(same, None)

    def _has_bucket(self, name: str) -> bool:
        try:
            self.s3.head_bucket(Bucket=name)
        except ClientError:
            return False
        return True
