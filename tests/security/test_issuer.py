"""The service as its own issuer: one key, made once, kept with the data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from service import config
from service.app import create_app
from service.config import Config, ConfigError
from service.errors import ServiceUnavailable
from service.security.issuer import KEY_FILE, OwnIssuer
from service.security.tokens import Verifier
from tests.security.issuers import rsa_key, sign

MAKE_KEY = """
import sys
from pathlib import Path
from service.config import Config
from service.security.issuer import OwnIssuer
import cryptography.hazmat.primitives.asymmetric.rsa
issuer = OwnIssuer(Config(data_dir=Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
print(issuer.public_keys()["keys"][0]["kid"])
"""


def settings_at(data_dir: Path) -> Config:
    return config.load({"DATA_DIR": str(data_dir)})


def test_the_key_is_made_at_first_use_for_its_owner_alone(tmp_path: Path) -> None:
    issuer = OwnIssuer(settings_at(tmp_path / "new" / "data"))
    assert not (tmp_path / "new").exists()
    issuer.issue("somebody", ["events:read"], 60)
    assert [path.name for path in (tmp_path / "new" / "data").iterdir()] == [KEY_FILE]
    assert (tmp_path / "new" / "data" / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_the_key_survives_a_restart(tmp_path: Path) -> None:
    token = OwnIssuer(settings_at(tmp_path)).issue("somebody", ["events:read"], 60)
    claims = Verifier(settings_at(tmp_path)).verify(token)
    assert (claims["sub"], claims["scope"], claims["aud"]) == ("somebody", "events:read", "headgate")
    assert claims["exp"] - claims["iat"] == 60


def test_the_published_keys_hold_nothing_secret(tmp_path: Path) -> None:
    (key,) = OwnIssuer(settings_at(tmp_path)).public_keys()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_tokens_of_another_installation_are_refused(tmp_path: Path) -> None:
    token = OwnIssuer(settings_at(tmp_path / "a")).issue("somebody", ["events:read"], 60)
    with pytest.raises(Exception, match="unknown key"):
        Verifier(settings_at(tmp_path / "b")).verify(token)


def test_eight_processes_at_once_make_one_key(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE_KEY, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    kids = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert kids == {OwnIssuer(settings_at(tmp_path)).public_keys()["keys"][0]["kid"] + "\n"}
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def pem(key: Any, encryption: Any = None) -> bytes:
    content: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return content


UNUSABLE = {
    "empty": lambda: b"",
    "truncated": lambda: pem(rsa_key())[:800],
    "garbage": lambda: b"\0\xff" * 100,
    "another kind of key": lambda: pem(generate_private_key(SECP256R1())),
    "encrypted": lambda: pem(rsa_key(), BestAvailableEncryption(b"secret")),
}


@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_file_that_is_no_key_is_named_to_the_operator(tmp_path: Path, content: Any) -> None:
    path = tmp_path / KEY_FILE
    written = content()
    path.write_bytes(written)
    with pytest.raises(ConfigError, match="holds no RSA private key") as failure:
        OwnIssuer(settings_at(tmp_path)).issue("somebody", [], 60)
    assert str(path) in str(failure.value)
    assert path.read_bytes() == written  # it may be the only copy of something


def test_a_client_is_told_nothing_about_the_key_file(
    settings: Config, tmp_path: Path, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"")
    app = create_app(config.load({"DATABASE_URL": str(settings.database.url), "DATA_DIR": str(tmp_path)}))
    answer = app.test_client().get("/api/v1/events", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "60"
    assert KEY_FILE not in answer.text
    assert str(tmp_path) not in answer.text
    reasons = " ".join(str(getattr(record, "reason", "")) for record in caplog.records)
    assert str(tmp_path / KEY_FILE) in reasons


def test_a_directory_that_cannot_be_written_to_is_named_to_the_operator(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = settings_at(tmp_path / "file" / "data")
    with pytest.raises(ConfigError, match="set DATA_DIR to a directory") as failure:
        OwnIssuer(settings).issue("somebody", [], 60)
    assert str(tmp_path / "file") in str(failure.value)
    with pytest.raises(ServiceUnavailable):
        Verifier(settings).verify(sign({"iss": "headgate"}))
