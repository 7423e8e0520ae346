"""The log: JSON lines with the id of their request, and no secret in any of them, whatever happens."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from service import config, logs
from service.database.schema import migrate
from service.security.issuer import OwnIssuer
from tests.events.samples import an_entity, an_event
from tests.postgres import Postgres, free_port
from tests.security.issuers import sign
from tests.transports import SECRET, Answer, Client, Gunicorn, HttpClient, LambdaClient, event_v1, event_v2

ROOT = Path(__file__).parent.parent
MARKER = "marker-9e41"


def written(emit: Callable[[logging.Logger], None]) -> list[dict[str, Any]]:
    """Return what the one formatter makes of the records that `emit` writes."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter())
    logger = logging.getLogger("test")
    logger.setLevel("DEBUG")
    logger.addHandler(handler)
    try:
        emit(logger)
    finally:
        logger.removeHandler(handler)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_json_object_with_a_time_in_utc() -> None:
    (line,) = written(lambda logger: logger.warning("it happened", extra={"count": 3}))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["timestamp"])).total_seconds()) < 5
    del line["timestamp"]
    assert line == {"level": "WARNING", "logger": "test", "message": "it happened", "count": 3, "requestId": None}


def test_the_formatter_itself_knows_the_request() -> None:
    logs.set_request_id("request-1")
    try:
        (line,) = written(lambda logger: logger.info("x", extra={"requestId": "forged"}))
    finally:
        logs.set_request_id(None)
    assert line["requestId"] == "request-1"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", 'a"}\n{"level": "ERROR"', "a\u2028b\x00\x1b[31m", "\ud800"], ids=repr
)
def test_no_text_makes_a_second_line(text: str) -> None:
    (line,) = written(lambda logger: logger.info(text, extra={"path": text}))
    assert (line["message"], line["path"]) == (text, text)


def test_a_stack_is_told_without_the_texts_of_its_exceptions() -> None:
    def fail(logger: logging.Logger) -> None:
        try:
            try:
                int(MARKER)
            except ValueError as error:
                raise psycopg2.OperationalError(MARKER) from error
        except psycopg2.OperationalError:
            logger.exception("failed")

    (line,) = written(fail)
    assert MARKER not in json.dumps(line)
    stack = line["exc_info"]
    assert stack.index("ValueError") < stack.index("which led to") < stack.index("psycopg2.OperationalError")
    assert "int(MARKER)" in stack
    assert stack.count('File "') == 2


def test_a_circle_of_causes_ends() -> None:
    def fail(logger: logging.Logger) -> None:
        one, two = ValueError(), KeyError()
        one.__cause__, two.__cause__ = two, one
        logger.error("failed", exc_info=one)

    assert written(fail)[0]["exc_info"] == "KeyError\nwhich led to:\nValueError"


@pytest.mark.parametrize("sent", ["abc-123", "A.b:c=d+e/f_9", "x" * 128])
def test_an_id_that_is_safe_is_taken_from_the_request(http: HttpClient, gunicorn: Gunicorn, sent: str) -> None:
    sent = f"{uuid.uuid4().hex[:8]}{sent}"[:128]
    assert http.get("/api/v1/events/health", headers={"X-Request-Id": sent}).headers["x-request-id"] == sent
    assert sent in {line["requestId"] for line in lines_of(gunicorn.log)}


@pytest.mark.parametrize(
    "sent", ["", "two words", "x" * 129, "a,b", '{"a":1}', "\xe4", "<script>", "a;b", "%0a", "a\tb"], ids=repr
)
def test_an_id_that_is_not_safe_is_made_anew(client: Client, sent: str) -> None:
    headers = {"X-Request-Id": sent}
    if isinstance(client, LambdaClient):
        answers = [client.get("/api/v1/events/health", headers=headers)]
        assert answers[0].headers["x-request-id"].startswith("request-")  # API Gateway's own
    else:
        answers = [client.get("/api/v1/events/health", headers=headers) for _ in range(2)]
        ids = {answer.headers["x-request-id"] for answer in answers}
        assert len(ids) == 2
        assert all(re.fullmatch("[0-9a-f]{32}", made) for made in ids)


@pytest.mark.parametrize("build", [event_v2, event_v1])
def test_the_id_of_api_gateway_goes_before_the_one_of_the_client(handler: Any, build: Any) -> None:
    event = build("GET", "/nowhere", headers={"X-Request-Id": "mine"})
    answer = handler(event)
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert headers["x-request-id"] == event["requestContext"]["requestId"]
    assert json.loads(answer["body"])["requestId"] == event["requestContext"]["requestId"]


@pytest.mark.parametrize("sent", [{"a": 1}, 7, "two\nlines", None, ["x"]], ids=repr)
def test_an_id_of_a_request_context_that_is_none_is_made_anew(handler: Any, sent: Any) -> None:
    event = event_v2("GET", "/api/v1/events/health")
    event["requestContext"]["requestId"] = sent
    assert re.fullmatch("[0-9a-f]{32}", handler(event)["headers"]["X-Request-Id"])


def test_a_request_is_one_line_with_its_path_and_without_its_query(http: HttpClient, gunicorn: Gunicorn) -> None:
    sent = uuid.uuid4().hex
    http.get(f"/api/v1/events/none-{sent}?who={MARKER}", headers={"X-Request-Id": sent})
    (line,) = [line for line in lines_of(gunicorn.log) if line["requestId"] == sent]
    assert line["message"] == "request"
    assert (line["method"], line["status"]) == ("GET", 404)
    assert line["path"] == f"/api/v1/events/none-{sent}"
    assert line["route"] == "/api/v1/events/<path:event_id>"
    assert 0 < line["durationMs"] < 10_000


def test_a_path_with_a_line_break_stays_one_line(http: HttpClient, gunicorn: Gunicorn) -> None:
    sent = uuid.uuid4().hex
    http.get("/x%0a%7B%22level%22:%22ERROR%22%7D", headers={"X-Request-Id": sent})
    (line,) = [line for line in lines_of(gunicorn.log) if line["requestId"] == sent]
    assert line["path"] == '/x\n{"level":"ERROR"}'


@pytest.fixture(scope="module")
def talkative(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The service at its most talkative, on a database whose errors quote the rows; and one without a database."""
    directory = tmp_path_factory.mktemp("talkative")
    url = postgres.create(f"talkative_{uuid.uuid4().hex}")
    environment = {"DATABASE_URL": url, "DATA_DIR": str(directory), "LOG_LEVEL": "debug", "WEB_WORKERS": "1"}
    settings = config.load(environment)
    migrate(settings)
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$"
            "BEGIN IF NEW.event_name = 'Tell' THEN RAISE EXCEPTION 'row %', NEW USING DETAIL = NEW.event_data::text;"
            " END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER tell BEFORE INSERT ON business_events FOR EACH ROW EXECUTE FUNCTION tell()"
        )
    connection.close()
    nowhere = f"postgresql://me:{MARKER}-password@127.0.0.1:{free_port()}/app"
    servers = {
        "up": Gunicorn(directory / "up.log", **environment),
        "down": Gunicorn(directory / "down.log", **environment | {"DATABASE_URL": nowhere}),
    }
    yield {**servers, "settings": settings}
    for server in servers.values():
        server.stop()


def test_no_secret_is_in_the_log_whatever_happens(talkative: dict[str, Any]) -> None:
    settings = talkative["settings"]
    token = OwnIssuer(settings).issue(f"{MARKER}-subject", ["events:read", "events:write"], 600)
    # The same token to both: they share the key.
    event = an_event(an_entity(owner=f"{MARKER}-entity"), eventType="CarCreated")
    tells = an_event(an_entity(owner=f"{MARKER}-entity"), eventName="Tell")
    query = f"?{MARKER}-query={MARKER}"
    headers = {"Cookie": f"session={MARKER}-cookie", "X-Api-Key": f"{MARKER}-key"}

    def send(server: str, method: str, target: str, **kwargs: Any) -> Answer:
        client = HttpClient(talkative[server].port, token)
        return client.request(method, target + query, headers=headers | kwargs.pop("headers", {}), **kwargs)

    foreign = sign({"iss": MARKER, "sub": MARKER, "scope": MARKER})
    expected = [
        (send("up", "POST", "/api/v1/events", json=event), 200),
        (send("up", "POST", "/api/v1/events", json=event), 409),
        (send("up", "POST", "/api/v1/events", body=f'{{"{MARKER}": '), 400),
        (send("up", "POST", "/api/v1/events", json={MARKER: MARKER}), 422),
        (send("up", "POST", "/api/v1/events", body=MARKER, headers={"Content-Type": f"text/{MARKER}"}), 415),
        (send("up", "GET", "/api/v1/events", token=f"{MARKER}.{MARKER}.{MARKER}"), 401),
        (send("up", "GET", "/api/v1/events", token=foreign), 401),
        (send("up", "GET", "/api/v1/events", token=None, headers={"Authorization": f"Basic {MARKER}"}), 401),
        (send("up", "GET", "/nowhere"), 404),
        (send("up", "DELETE", "/api/v1/events"), 405),
        (send("up", "POST", "/api/v1/events", json=tells), 500),
        (send("up", "POST", "/api/v1/events/bulk", json=[tells]), 422),  # the query is refused
        (send("down", "POST", "/api/v1/events", json=event), 503),
        (send("down", "GET", "/ready"), 503),
        (HttpClient(talkative["up"].port, token).post("/api/v1/events/bulk", json=[tells]), 200),
    ]
    assert [answer.status for answer, _ in expected] == [status for _, status in expected]
    for server in ("up", "down"):
        log = talkative[server].log.read_text()
        lines = lines_of(talkative[server].log)  # each line is JSON
        for secret in (MARKER, token, foreign, *token.split(".")[1:], "xxxxxxxxxx"):
            assert secret not in log
        assert all(re.fullmatch(r".*\d\.\d{3}Z", line["timestamp"]) for line in lines)
        assert all("requestId" in line for line in lines)
    answers = {answer.headers["x-request-id"]: status for answer, status in expected}
    logged = {
        line["requestId"]: line["status"]
        for server in ("up", "down")
        for line in lines_of(talkative[server].log)
        if line["message"] == "request" and line["requestId"] in answers
    }
    assert logged == answers
    up = lines_of(talkative["up"].log)
    assert any("RaiseException" in line.get("exc_info", "") for line in up)  # what happened is there to read
    assert any("Connection refused" in line.get("reason", "") for line in lines_of(talkative["down"].log))


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET /health?{MARKER} HTTP/9.9\r\nHost: a\r\nAuthorization: Bearer {MARKER}\r\n\r\n",
        f"GET /health HTTP/1.1\r\nHost: a\r\nAuthorization Bearer {MARKER}\r\n\r\n",
        f"{MARKER}\r\n\r\n",
        f"GET /health?{MARKER} HTTP/1.1\r\nHost: a\r\nContent-Length: {MARKER}\r\n\r\n",
        f"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {MARKER}\r\n\r\n",
        f"GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {MARKER}{'x' * 20_000}\r\n\r\n",
    ],
    ids=["version", "header without a colon", "noise", "content length", "transfer encoding", "huge header"],
)
def test_a_request_that_is_none_is_not_quoted(talkative: dict[str, Any], request_text: str) -> None:
    server = talkative["up"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_text.encode())
        assert b" 200 " not in connection.recv(65536).partition(b"\r\n")[0]
    time.sleep(0.1)
    assert MARKER not in server.log.read_text()
    assert lines_of(server.log)


LIBRARIES = """
import logging, sys
from service import logs
logs.configure(sys.argv[1])
for name in ("botocore.parsers", "urllib3.connectionpool", "yoyo", "flask_cors", "root"):
    logging.getLogger(name).debug("Response body: secret")
logging.getLogger("service.events").debug("ours")
logging.getLogger("service").info("ours too")
logging.getLogger("botocore").warning("theirs")
"""


@pytest.mark.parametrize(
    ("level", "messages"),
    [("DEBUG", ["ours", "ours too", "theirs"]), ("INFO", ["ours too", "theirs"]), ("WARN", ["theirs"]), ("ERROR", [])],
)
def test_debugging_is_for_this_service_alone(level: str, messages: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIBRARIES, level],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [json.loads(line)["message"] for line in result.stderr.splitlines()] == messages
    assert result.stdout == ""


def test_gunicorns_own_lines_are_of_the_same_kind(gunicorn: Gunicorn) -> None:
    own = [line for line in lines_of(gunicorn.log) if line["logger"] == "gunicorn.error"]
    assert any("Listening at" in line["message"] for line in own)
    assert all(line["timestamp"].endswith("Z") and line["requestId"] is None for line in own)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_good_answer_to_who_asks_every_few_seconds_is_not_logged(
    http: HttpClient, gunicorn: Gunicorn, path: str
) -> None:
    request_id = http.get(path).headers["x-request-id"]
    assert request_id not in gunicorn.log.read_text()


def test_the_search_of_every_servers_output_knows_a_secret(token: str) -> None:
    """`Gunicorn.stop` searches what the suite's servers have written."""
    for secret in (
        token,
        "hgr_fC0dGxvPFQGoYoZ9bqFBO5ZBzDz2Xo4cVqTnJk0eH1s",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
    ):
        assert SECRET.search(f'{{"message": "{secret}"}}')
    assert not SECRET.search('{"message": "request", "path": "/auth/login", "requestId": "0f8fad5b"}')
