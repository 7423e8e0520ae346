"""The same request over HTTP to gunicorn, and as each kind of event to the Lambda handler."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.postgres import free_port

ROOT = Path(__file__).parent.parent
START_SECONDS = 20
# What no log may hold: tokens, hashes, and the passwords that tests use.
SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}|hgr_[\w-]{16,}|\$argon2|Zebra-crossing-7|Engine-No-1843")
Headers = dict[str, str]


@dataclass
class Answer:
    """What came back, in one shape for all transports. Header names are lower-case; cookies stand apart."""

    status: int
    headers: Headers
    body: bytes
    cookies: list[str] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends requests. `token` is sent as Bearer; `json` and `body` exclude each other."""

    token: str | None = None

    def request(
        self,
        method: str,
        target: str,
        *,
        json: Any = None,
        body: bytes | str | None = None,
        headers: Headers | None = None,
        token: str | None = "",
    ) -> Answer:
        sent = dict(headers or {})
        if json is not None:
            body = globals()["json"].dumps(json)
            sent.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        bearer = self.token if token == "" else token
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        return self.send(method, target, sent, body or b"")

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        raise NotImplementedError

    def get(self, target: str, **kwargs: Any) -> Answer:
        return self.request("GET", target, **kwargs)

    def post(self, target: str, **kwargs: Any) -> Answer:
        return self.request("POST", target, **kwargs)

    def put(self, target: str, **kwargs: Any) -> Answer:
        return self.request("PUT", target, **kwargs)

    def delete(self, target: str, **kwargs: Any) -> Answer:
        return self.request("DELETE", target, **kwargs)


class HttpClient(Client):
    """HTTP/1.1 to a server, one connection a request."""

    def __init__(self, port: int, token: str | None = None, timeout: float = 30) -> None:
        self.port, self.token, self.timeout = port, token, timeout

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, target, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        pairs = [(name.lower(), value) for name, value in response.getheaders()]
        cookies = [value for name, value in pairs if name == "set-cookie"]
        return Answer(response.status, dict(pairs), content, cookies)


class LambdaClient(Client):
    """Calls a Lambda handler with the event that `build` makes of a request."""

    def __init__(
        self,
        invoke: Callable[[dict[str, Any]], Any],
        token: str | None = None,
        build: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        self.invoke, self.token, self.build = invoke, token, build or event_v2

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        event = self.build(method, target, headers=headers, body=body)
        # What travels between AWS and the function is JSON.
        return read_answer(json.loads(json.dumps(self.invoke(json.loads(json.dumps(event))))))


def read_answer(answer: dict[str, Any]) -> Answer:
    """Read a function's answer as API Gateway or a load balancer does."""
    pairs = [(name.lower(), value) for name, value in answer.get("headers", {}).items()]
    many = {name.lower(): values for name, values in answer.get("multiValueHeaders", {}).items()}
    headers = dict(pairs) | {name: ",".join(values) for name, values in many.items()}
    cookies = answer.get("cookies") or many.get("set-cookie") or [v for name, v in pairs if name == "set-cookie"]
    body = answer["body"]
    content = base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()
    assert isinstance(answer["statusCode"], int)
    return Answer(answer["statusCode"], headers, content, cookies)


def _encoded(body: bytes) -> dict[str, Any]:
    try:
        return {"body": body.decode() if body else None, "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def event_v2(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Headers | None = None,
    body: bytes = b"",
    cookies: list[str] | None = None,
    stage: str = "$default",
    claims: dict[str, Any] | None = None,
    source_ip: str = "203.0.113.7",
) -> dict[str, Any]:
    """Return an API Gateway HTTP API event, payload 2.0 (a Function URL's has the same shape)."""
    parts = urlsplit(target)
    prefix = "" if stage == "$default" else f"/{stage}"
    path = prefix + parts.path
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.query,
        "headers": {
            "host": "api.example.com",
            "x-forwarded-for": source_ip,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **{name.lower(): value for name, value in (headers or {}).items()},
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "api.example.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": "test",
            },
            "requestId": f"request-{uuid.uuid4()}",
            "stage": stage,
        },
        **_encoded(body),
    }
    if cookies:
        event["cookies"] = cookies
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    return event


def event_v1(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Headers | None = None,
    body: bytes = b"",
    stage: str = "prod",
    claims: dict[str, Any] | None = None,
    source_ip: str = "203.0.113.7",
) -> dict[str, Any]:
    """Return an API Gateway REST API event, payload 1.0, of the stage's own domain."""
    parts = urlsplit(target)
    query = parse_qsl(parts.query, keep_blank_values=True)
    sent = {"Host": "api.example.com", "X-Forwarded-For": source_ip, "X-Forwarded-Port": "443"}
    sent |= {"X-Forwarded-Proto": "https", **(headers or {})}
    context: dict[str, Any] = {
        "apiId": "abc123",
        "httpMethod": method,
        "identity": {"sourceIp": source_ip},
        "path": f"/{stage}{parts.path}",
        "protocol": "HTTP/1.1",
        "requestId": f"request-{uuid.uuid4()}",
        "stage": stage,
    }
    if claims is not None:
        context["authorizer"] = {"claims": claims}
    return {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": parts.path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {
            name: [value for other, value in query if other == name] for name, _ in query
        }
        or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        **_encoded(body),
    }


def event_alb(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Headers | None = None,
    body: bytes = b"",
    is_multi: bool = False,
    source_ip: str = "203.0.113.7",
) -> dict[str, Any]:
    """Return a load balancer's event. It hands the query on as it was sent, percent signs and all."""
    parts = urlsplit(target)
    query = [pair.partition("=")[::2] for pair in parts.query.split("&") if pair]
    sent = {"host": "lb.example.com", "x-forwarded-for": source_ip, "x-forwarded-port": "80"}
    sent |= {"x-forwarded-proto": "http", **{name.lower(): value for name, value in (headers or {}).items()}}
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b"}},
        "httpMethod": method,
        "path": parts.path,
        **_encoded(body),
    }
    if is_multi:
        event["multiValueHeaders"] = {name: [value] for name, value in sent.items()}
        event["multiValueQueryStringParameters"] = {
            name: [value for other, value in query if other == name] for name, _ in query
        }
    else:
        event["headers"] = sent
        event["queryStringParameters"] = dict(query)
    return event


def event_alb_multi(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return a load balancer's event with multi-value headers."""
    return event_alb(*args, is_multi=True, **kwargs)


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server answers; stop it and show its log where it does not."""
    expires_at = time.monotonic() + START_SECONDS
    while time.monotonic() < expires_at and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


class Gunicorn:
    """The service under gunicorn, with the settings of the image. Its whole output is in `log`."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = log
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "service.wsgi:create()"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PORT": str(self.port), **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        wait_until_up(self._process, self.port, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> int:
        """Stop it as Docker does; return its exit code. Raises `AssertionError` where its output holds a secret."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(40)
        finally:
            self._process.kill()
            self._output.close()
        told = SECRET.search(self.log.read_text(errors="replace"))
        assert told is None, f"the log holds a secret that begins with {told[0][:8]}"
        return code
