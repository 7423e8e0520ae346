"""Connections to sources that can be cut off from outside."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any


def watched_adapter() -> Any:
    """Return requests' adapter, with a way to cut its connections off: a time-out of its own counts from the last byte,
    and a source that drips one now and then would hold a run for ever.
    """
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def __init__(self) -> None:
            super().__init__()
            self._connections: list[Any] = []

        def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
            if pool.ConnectionCls.__name__ != "Watched":
                pool.ConnectionCls = self._watched(pool.ConnectionCls)
            return pool

        def _watched(self, connection_class: Any) -> Any:
            connections = self._connections

            class Watched(connection_class):  # type: ignore[misc]
                def connect(self) -> None:
                    connections[:] = [known for known in connections if known.sock is not None]
                    super().connect()
                    connections.append(self)

            return Watched

        def cut(self) -> None:
            for connection in list(self._connections):
                if (found := connection.sock) is not None:
                    with suppress(OSError):
                        found.shutdown(socket.SHUT_RDWR)

    return Adapter()
