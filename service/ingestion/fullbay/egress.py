"""The IPv4 address that this process calls from, as Fullbay sees it: part of every token of the invoices' API.

It is `FULLBAY_SERVER_IP`, or what the first of `FULLBAY_IP_SERVICES` says that answers. They are strangers: asked
without a header of ours, followed nowhere, believed only when all they say is an address.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from service import deadline
from service.config import FullbayConfig
from service.errors import ServiceUnavailable
from service.ingestion.fullbay.settings import is_ipv4

KEEP_SECONDS = 600
RETRY_SECONDS = 30  # after a failure, while there is an address to go on with
REFRESH_SECONDS = 5
ASK_SECONDS = 3.0
MAX_BYTES = 64

log = logging.getLogger(__name__)


class AddressUnknown(ServiceUnavailable):
    """None of the services says which address this is."""


class EgressAddress:
    """The address, kept for `KEEP_SECONDS`. Safe to share between threads: one asks, the others wait."""

    def __init__(self, config: FullbayConfig) -> None:
        self._fixed = config.server_ip
        self._services = config.ip_services
        self._address: str | None = None
        self._due_at = float("-inf")
        self._refreshed_at = float("-inf")
        self._lock = threading.Lock()

    def get(self) -> str:
        """Return the address. Raises `AddressUnknown` where it was never known and nobody tells."""
        if self._fixed:
            return self._fixed
        with self._asking():
            if self._address and time.monotonic() < self._due_at:
                return self._address
            try:
                return self._ask()
            except AddressUnknown as error:
                if self._address is None:
                    raise
                log.warning("the public address may have changed", extra={"reason": error.reason})
                self._due_at = time.monotonic() + RETRY_SECONDS
                return self._address

    def refresh(self) -> bool:
        """Ask again, unless that was done just now; return whether the address changed. Raises `AddressUnknown`."""
        if self._fixed:
            return False
        with self._asking():
            before = self._address
            if time.monotonic() - self._refreshed_at >= REFRESH_SECONDS:
                self._refreshed_at = time.monotonic()
                self._ask()
            return self._address != before

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise AddressUnknown(reason="the public IPv4 address was not known before the deadline")
        try:
            yield
        finally:
            self._lock.release()

    def _ask(self) -> str:
        failures = []
        for url in self._services:
            answer = _Answer(url)
            if answer.address:
                self._address, self._due_at = answer.address, time.monotonic() + KEEP_SECONDS
                return answer.address
            failures.append(f"{urlsplit(url).hostname} ({answer.failure})")
        raise AddressUnknown(reason=f"the public IPv4 address is unknown; asked: {', '.join(failures)}")


class _Answer:
    """What one service says within `ASK_SECONDS`: an address, or why there is none.

    A thread of its own asks: a service that sends a byte now and then is left to itself.
    """

    def __init__(self, url: str) -> None:
        self.address: str | None = None
        self.failure = "no answer in time"
        thread = threading.Thread(target=self._ask, args=(url,), daemon=True)
        thread.start()
        thread.join(min(ASK_SECONDS, deadline.remaining()))

    def _ask(self, url: str) -> None:
        import requests

        try:
            with requests.get(
                url, timeout=ASK_SECONDS, allow_redirects=False, stream=True, headers={"User-Agent": "Headgate"}
            ) as answer:
                body = b""
                for part in answer.iter_content(MAX_BYTES):
                    body += part
                    if len(body) > MAX_BYTES:
                        break
        except (requests.RequestException, OSError, ValueError) as error:
            self.failure = type(error).__name__
            return
        text = body.decode("ascii", "replace").strip()
        if answer.status_code != 200:
            self.failure = f"status {answer.status_code}"
        elif len(body) > MAX_BYTES or not is_ipv4(text):
            self.failure = "no IPv4 address"
        else:
            self.address = text
