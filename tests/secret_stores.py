"""Secrets Manager for tests: moto over HTTP, and a server that speaks its protocol and fails on request."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def lead_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 call an AWS at `url`."""
    for name, value in {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


class Moto:
    """An AWS that is not one."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.get_host_and_port()[1]}"
        keys = {name.lower(): value for name, value in CREDENTIALS.items()}
        self.client: Any = boto3.client("secretsmanager", region_name=REGION, endpoint_url=self.url, **keys)

    def create(self, **content: Any) -> str:
        """Create a secret with this content; return its name."""
        name = f"headgate-{uuid.uuid4()}"
        self.client.create_secret(Name=name, SecretString=json.dumps(content))
        return name

    def put(self, name: str, **content: Any) -> None:
        self.client.put_secret_value(SecretId=name, SecretString=json.dumps(content))

    def close(self) -> None:
        self._server.stop()


class Store:
    """One secret at `url`, whatever its name. Counts its requests; answers late, wrongly or not at all when told to."""

    def __init__(self) -> None:
        self.content: Any = {}
        self.text: str | None = None  # what the secret holds, where it is no JSON
        self.refusal: tuple[int, str] | None = None  # status and code of AWS
        self.status = 200
        self.body: bytes | None = None
        self.delay = 0.0
        self.failures = 0  # of the next requests, with the refusal; 0 is all of them
        self.is_gone = False
        self.requests: list[dict[str, Any]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                store.requests.append(json.loads(sent))
                time.sleep(store.delay)
                if store.is_gone:
                    self.close_connection = True
                    return
                status, body = store.answer()
                with contextlib.suppress(OSError):  # it did not wait
                    self.send_response(status)
                    self.send_header("Content-Type", "application/x-amz-json-1.1")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self) -> tuple[int, bytes]:
        if self.refusal and (self.failures == 0 or len(self.requests) <= self.failures):
            status, code = self.refusal
            # As AWS does, the message quotes who asked and for what.
            return status, json.dumps({"__type": code, "message": f"{code}: see arn:aws:iam::123:user/x"}).encode()
        text = json.dumps(self.content) if self.text is None else self.text
        return self.status, self.body if self.body is not None else json.dumps(
            {"Name": "x", "SecretString": text}
        ).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
