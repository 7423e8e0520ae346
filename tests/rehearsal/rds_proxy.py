"""RDS Proxy: clients sign in with IAM tokens over TLS, the proxy with its users' passwords. Runs in a container.

It refuses what the real one refuses: connections without TLS, startup options, users without a secret, and what is no
token for this host and user. (A signature it cannot check.) It says the initial query to each session that it opens. It
shares no connections. Its settings are JSON in SETTINGS:

    {"endpoint", "name", "secrets": [ARN], "server", "init_query", "certificate", "key", "authority"}
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import select
import socket
import socketserver
import ssl
import struct
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

PORT = 5432
TLS_REQUEST, GSS_REQUEST, VERSION_3 = 80877103, 80877104, 196608
AUTHENTICATION_OK, CLEARTEXT, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 10, 11, 12


class Refused(Exception):
    """What a client is told instead of being let in: an SQLSTATE and a message."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state


class Proxy(socketserver.ThreadingTCPServer):
    """Listens, and opens a session of its own for each client."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(("0.0.0.0", PORT), _Session)
        self.settings = settings
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(settings["certificate"], settings["key"])
        self.trust = ssl.create_default_context(cafile=settings["authority"])


class _Session(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        client = self.request
        try:
            client = self._secured(self.request)
            startup = _startup(client)
            user = self._admitted(client, startup)
            server, greeting = self._open(startup, user)
        except Refused as refused:
            print(f"refused: {refused}", flush=True)
            client.sendall(_error(refused))
            return
        except (OSError, EOFError, struct.error) as error:
            print(f"ended: {error!r}", flush=True)
            return
        client.sendall(greeting)
        with server, suppress(OSError):
            _relay(client, server)

    def _secured(self, client: socket.socket) -> ssl.SSLSocket:
        while True:
            _, code = struct.unpack("!ii", _exactly(client, 8))
            if code == TLS_REQUEST:
                client.sendall(b"S")
                return self.server.tls.wrap_socket(client, server_side=True)
            if code != GSS_REQUEST:
                raise Refused("28000", "This RDS Proxy requires TLS connections")
            client.sendall(b"N")

    def _admitted(self, client: socket.socket, startup: dict[str, str]) -> str:
        """Ask for a token; return the user whom it is of."""
        if "options" in startup:
            raise Refused("0A000", "Feature not supported: RDS Proxy currently doesn't support command-line options.")
        user = startup.get("user", "")
        client.sendall(_message(b"R", struct.pack("!i", CLEARTEXT)))
        kind, content = _read(client)
        token = content.rstrip(b"\0").decode() if kind == b"p" else ""
        place, _, query = token.partition("?")
        values = parse_qs(query)
        is_token = (
            "X-Amz-Signature" in values and values.get("Action") == ["connect"] and values.get("DBUser") == [user]
        )
        if place != f"{self.server.settings['name']}:{PORT}/" or not is_token:
            raise Refused(
                "28P01", f"The IAM authentication failed for the role {user}. Check the IAM token for this role"
            )
        return user

    def _open(self, startup: dict[str, str], user: str) -> tuple[ssl.SSLSocket, bytes]:
        """Sign in to the server; return the connection, and what the client is told then."""
        settings = self.server.settings
        password = _password(settings["endpoint"], settings["secrets"], user)
        plain = socket.create_connection((settings["server"], PORT), 10)
        plain.sendall(struct.pack("!ii", 8, TLS_REQUEST))
        if _exactly(plain, 1) != b"S":
            raise Refused("08006", "The database does not speak TLS")
        server = self.server.trust.wrap_socket(plain, server_hostname=settings["server"])
        parameters = b"".join(f"{name}\0{value}\0".encode() for name, value in startup.items()) + b"\0"
        server.sendall(struct.pack("!ii", 8 + len(parameters), VERSION_3) + parameters)
        _sign_in(server, password)
        greeting = _message(b"R", struct.pack("!i", AUTHENTICATION_OK)) + _until_ready(server)
        if settings["init_query"]:
            server.sendall(_message(b"Q", settings["init_query"].encode() + b"\0"))
            _until_ready(server)
        server.settimeout(None)
        return server, greeting


def _sign_in(server: socket.socket, password: str) -> None:
    """Prove to the server that the password is known (RFC 7677)."""
    _expect(server, SASL)
    nonce = base64.b64encode(secrets.token_bytes(18)).decode()
    first = f"n=,r={nonce}"
    opening = f"n,,{first}".encode()
    server.sendall(_message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(opening)) + opening))
    told = _expect(server, SASL_CONTINUE).decode()
    fields = dict(field.split("=", 1) for field in told.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c=biws,r={fields['r']}"
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{told},{without_proof}".encode(), "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    server.sendall(_message(b"p", f"{without_proof},p={proof}".encode()))
    _expect(server, SASL_FINAL)
    _expect(server, AUTHENTICATION_OK)


def _expect(server: socket.socket, code: int) -> bytes:
    """Read one message of authentication, which has to be this one; return what it says."""
    kind, content = _read(server)
    if kind != b"R" or struct.unpack("!i", content[:4]) != (code,):
        raise Refused(
            "28P01", f"The database refuses the proxy: {content.replace(bytes(1), b' ').decode(errors='replace')}"
        )
    return content[4:]


def _until_ready(server: socket.socket) -> bytes:
    """Return all that the server says until it waits for a query."""
    said = b""
    while True:
        kind, content = _read(server)
        if kind == b"E":
            raise Refused("XX000", f"The database says: {content.replace(bytes(1), b' ').decode(errors='replace')}")
        said += _message(kind, content)
        if kind == b"Z":
            return said


def _password(endpoint: str, arns: list[str], user: str) -> str:
    """Find the password of a user in the secrets, which name their users."""
    for arn in arns:
        secret = _secret(endpoint, arn)
        if secret.get("username") == user:
            return str(secret["password"])
    raise Refused(
        "28000", f"This RDS proxy has no credentials for the role {user}. Check the credentials for this role"
    )


def _secret(endpoint: str, arn: str) -> dict[str, Any]:
    """Read a secret of Secrets Manager; {} where it has no value."""
    scope = f"rehearsal/20260101/{arn.split(':')[3]}/secretsmanager/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.GetSecretValue",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none",
    }
    request = urllib.request.Request(endpoint, json.dumps({"SecretId": arn}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return dict(json.loads(json.load(response)["SecretString"]))
    except urllib.error.HTTPError as error:
        error.close()
        return {}


def _startup(client: socket.socket) -> dict[str, str]:
    length, version = struct.unpack("!ii", _exactly(client, 8))
    if version != VERSION_3:
        raise Refused("0A000", "Only version 3 of the protocol is spoken")
    words = _exactly(client, length - 8).decode().split("\0")
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


def _read(stream: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(stream, 1)
    (length,) = struct.unpack("!i", _exactly(stream, 4))
    return kind, _exactly(stream, length - 4)


def _exactly(stream: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = stream.recv(size - len(content))
        if not piece:
            raise EOFError("the other side has hung up")
        content += piece
    return content


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def _error(refused: Refused) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{refused.state}\0M{refused}\0\0"
    return _message(b"E", fields.encode())


def _relay(*sides: ssl.SSLSocket) -> None:
    """Lead what either side says to the other, until one hangs up. In one thread: TLS takes no two at a time."""
    other = dict(zip(sides, reversed(sides), strict=True))
    while True:
        ready = [side for side in sides if side.pending()] or select.select(sides, [], [])[0]
        for side in ready:
            data = side.recv(65536)
            if not data:
                return
            other[side].sendall(data)


if __name__ == "__main__":
    with Proxy(json.loads(os.environ["SETTINGS"])) as proxy:
        print("there", flush=True)
        proxy.serve_forever()
