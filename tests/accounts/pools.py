"""A user pool of Amazon Cognito: moto over HTTP, behind a server that knows what moto lacks and fails on request."""

from __future__ import annotations

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from moto.cognitoidp.models import cognitoidp_backends
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
HOST = f"cognito-idp.{REGION}.amazonaws.com"
SCOPE = "aws.cognito.signin.user.admin"


class Cognito:
    """Cognito at `url`. Notes each call; `refuse`, `delay` and `is_gone` say what goes wrong."""

    def __init__(self) -> None:
        self._moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        self._moto.start()
        self._moto_port = self._moto.get_host_and_port()[1]
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: dict[str, tuple[str, str]] = {}  # operation: code and message
        self.delay = 0.0
        self.is_gone = False
        cognito = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*cognito.forward("GET", self.path, {}, None))

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if cognito.is_gone:
                    self.close_connection = True
                    return
                self._send(*cognito.answer(dict(self.headers), sent))

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # who asked did not wait for the answer

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.admin = boto3.client(
            "cognito-idp",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self._moto_port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def answer(self, headers: dict[str, str], sent: bytes) -> tuple[int, bytes]:
        operation = headers["X-Amz-Target"].rpartition(".")[2]
        self.calls.append((operation, json.loads(sent)))
        time.sleep(self.delay)
        if operation in self.refuse:
            code, message = self.refuse[operation]
            return 400, json.dumps({"__type": code, "message": message}).encode()
        if operation == "RevokeToken":
            return self._revoke(json.loads(sent)["Token"])
        return self.forward("POST", "/", headers, sent)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._moto_port, timeout=30)
        try:
            connection.request(method, path, body, {**headers, "Host": HOST})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _revoke(self, token: str) -> tuple[int, bytes]:
        for pool in self._pools():
            if token in pool.refresh_tokens:
                pool.refresh_tokens[token] = None
        return 200, b"{}"

    def is_revoked(self, token: str) -> bool:
        return [pool.refresh_tokens[token] for pool in self._pools() if token in pool.refresh_tokens] == [None]

    def _pools(self) -> list[Any]:
        return list(cognitoidp_backends["123456789012"][REGION].user_pools.values())

    def create(self, *, is_secret: bool = False, **settings: Any) -> dict[str, str]:
        """Create a pool and a client; return the environment of a service that uses them."""
        pool = self.admin.create_user_pool(PoolName="people", **settings)["UserPool"]["Id"]
        client = self.admin.create_user_pool_client(
            UserPoolId=pool,
            ClientName="headgate",
            GenerateSecret=is_secret,
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )["UserPoolClient"]
        return {
            "COGNITO_USER_POOL_ID": pool,
            "COGNITO_CLIENT_ID": client["ClientId"],
            "TOKEN_JWKS_URL": f"{self.url}/{pool}/.well-known/jwks.json",
            "AWS_ENDPOINT_URL": self.url,
            **({"COGNITO_CLIENT_SECRET": client["ClientSecret"]} if is_secret else {}),
        }

    def reset(self) -> None:
        """Be well again, and forget what was called."""
        self.calls.clear()
        self.refuse.clear()
        self.delay, self.is_gone = 0.0, False

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._moto.stop()
