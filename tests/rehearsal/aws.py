"""The emulated account, as clients of boto3 see it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "rehearsal", "AWS_SECRET_ACCESS_KEY": "rehearsal"}
PATIENCE = Config(connect_timeout=5, read_timeout=330, retries={"total_max_attempts": 1})  # an invocation takes 300 s

_session = boto3.session.Session(**{name.lower(): value for name, value in CREDENTIALS.items()}, region_name=REGION)


def client(service: str, endpoint: str) -> Any:
    """Return a client of a service at an endpoint. Clients may be shared between threads."""
    return _session.client(service, endpoint_url=endpoint, config=PATIENCE)


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Return whether a server answers at a URL, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=trust):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
