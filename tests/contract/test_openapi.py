"""schemathesis, a public client, reads docs/openapi.json and sends what it allows and what it forbids.

All its checks, over HTTP to gunicorn and as Lambda events: no 5xx, no answer that the document does not describe, no
valid request refused, no invalid one accepted. `make fuzz` sends 200 examples an operation, the suite fewer.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service import operations, published
from service.app import create_app
from service.config import Config
from service.operations import USER
from service.security.issuer import OwnIssuer
from tests.apigateway import ApiGateway, serving
from tests.conftest import SCOPES, Person
from tests.transports import ROOT, Gunicorn, HttpClient

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "15")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
PROGRAM = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="session")
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment with a key of a shop and an account at a partner that is none, so that runs can be asked for.

    Nobody works them off. The lake is the embedded one, with the sample tables.
    """
    partner = {"api_base_url": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b", "token_endpoint": "/token"}
    return environment | {"FULLBAY_API_KEY": "key-of-nobody", "API_CREDENTIALS": json.dumps(partner)}


@pytest.fixture(scope="session")
def gunicorn(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    server = Gunicorn(tmp_path_factory.mktemp("gunicorn") / "log", **environment)
    yield server
    assert server.stop() == 0


@pytest.fixture
def api_gateway(handler: Any) -> Iterator[int]:
    """The port of an API Gateway in front of the Lambda handler."""
    with serving(ApiGateway(handler)) as server:
        yield server.port


@pytest.fixture(params=["gunicorn", "lambda"])
def port(request: pytest.FixtureRequest) -> int:
    """Where to send requests, for each transport."""
    if request.param == "gunicorn":
        return int(request.getfixturevalue("gunicorn").port)
    return int(request.getfixturevalue("api_gateway"))


def make_what_paths_name(client: HttpClient, rows: Any) -> dict[str, str]:
    """Make one of each thing that has an id; return the ids by the names of the paths' variables."""
    made = {"name": "page.css", "rejectId": make_reject(rows)}
    for route in operations.routes(create_app(Config())):
        if route.method == "POST" and route.path.startswith(("/api/", "/goals", "/meals")) and route.operation.example:
            path = route.path.format(**made)
            body = route.operation.example
            if route.path == "/api/v1/events":
                body = {**body, "eventHeader": {**body["eventHeader"], "uuid": "fuzzed"}}
                made |= {"event_id": "fuzzed", "entity_type": "Car", "entity_id": "CAR-1"}
            answer = client.post(path, json=body)
            assert answer.status in (200, 201, 202, 409), answer.body
            made |= {name: value for name, value in answer.json().items() if re.search("(Id|_id)$", name)}
            if route.path == "/api/v1/exports":
                made["exportId"] = answer.json()["id"]
    return made


def make_reject(rows: Any) -> str:
    """Make what only a run makes: a record that could not be stored, and could be now. Return its number."""
    run = str(uuid.uuid4())
    rows(
        """
        INSERT INTO ingestion_metadata (execution_id, source, resource, shop, status, end_time, request, api_endpoint)
        VALUES (%s, 'work-orders', 'parts', 'default', 'PARTIAL', now(), '{}', 'http://x')
        """,
        run,
    )
    ((number,),) = rows(
        """
        INSERT INTO ingestion_rejects
            (execution_id, source, resource, shop, record_id, payload, payload_hash, path, reason)
        VALUES (%s, 'work-orders', 'parts', 'default', 'fuzzed', '{"id": "fuzzed"}', %s, 'cost', 'must be a number')
        RETURNING id
        """,
        run,
        run.encode(),
    )
    return str(number)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_answer_is_one_that_the_document_describes(
    port: int, settings: Any, new_user: Any, rows: Any, tmp_path: Path
) -> None:
    person: Person = new_user()
    token = OwnIssuer(settings).issue(person.id, [*SCOPES, USER], 3600)
    made = make_what_paths_name(HttpClient(port, token), rows)
    assert len(made) >= 3
    result = subprocess.run(
        [
            PROGRAM,
            "--config-file",
            str(CONFIGURATION),
            "run",
            str(published.OPENAPI),
            "--url",
            f"http://127.0.0.1:{port}",
            "--header",
            f"Authorization: Bearer {token}",
            "--max-examples",
            EXAMPLES,
            "--seed",
            "1",
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HEADGATE_MADE": json.dumps(made), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, shortened(result.stdout + result.stderr)


def shortened(output: str) -> str:
    """Return the end of an output, without what is endless in its lines."""
    return "\n".join(line[:500] for line in output.splitlines()[-400:])
