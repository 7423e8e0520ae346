"""A bounded set of kept connections whose waiters queue up to their deadline.

psycopg2's own pool raises as soon as it is empty; SQLAlchemy's waits, and costs an import of 100 ms on a cold start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from service import deadline, metrics
from service.database.connection import Connection
from service.errors import ServiceUnavailable


class Pool:
    """At most `size` connections, made on first use, the last used first."""

    def __init__(self, connect: Callable[[], Connection], size: int) -> None:
        self._connect = connect
        self._free = threading.Semaphore(size)
        self._idle: list[Connection] = []

    def acquire(self) -> Connection:
        """Return a connection that nobody else has, with the deadline of the work at hand, but never one far away.

        Raises `ServiceUnavailable` when none comes free in time, `psycopg2.OperationalError` when none can be made.
        """
        self._wait()
        try:
            connection = self._take_idle() or self._connect()
        except BaseException:
            self._free.release()
            raise
        connection.expires_at = min(deadline.expires_at(), time.monotonic() + deadline.UNSET_SECONDS)
        return connection

    def _wait(self) -> None:
        """Wait for one of the `size` places."""
        if self._free.acquire(blocking=False):
            metrics.record_metric("PoolWait", 0)
            return
        began = time.monotonic()
        is_free = self._free.acquire(timeout=deadline.remaining())
        metrics.record_metric("PoolWait", time.monotonic() - began)
        if not is_free:
            metrics.increment_counter("PoolTimeouts")
            raise ServiceUnavailable(reason="every database connection was in use until the deadline")

    def _take_idle(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_silent():
                return connection
            connection.close()

    def release(self, connection: Connection) -> None:
        """Take a connection back; one that is closed or in the middle of a transaction is not kept."""
        if connection.closed or connection.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        self._free.release()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()
