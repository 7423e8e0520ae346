"""Connections to others: without cookies, and such that they can be cut off from outside."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any


def watched_adapter(size: int = 10) -> Any:
    """Return requests' adapter with `size` connections to a host that are kept, and with a way to cut them off.

    A time-out of a socket counts from the last byte, and who drips one now and then would hold a run for ever.
    """
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def __init__(self) -> None:
            super().__init__(pool_maxsize=size)
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
                    self.user = threading.get_ident()
                    connections[:] = [known for known in connections if known.sock is not None]
                    super().connect()
                    connections.append(self)

                def request(self, *args: Any, **kwargs: Any) -> None:
                    self.user = threading.get_ident()
                    super().request(*args, **kwargs)

            return Watched

        def cut(self, user: int | None = None) -> None:
            """Cut off the connection that a thread uses, or every one."""
            for connection in list(self._connections):
                if (found := connection.sock) is not None and user in (None, connection.user):
                    with suppress(OSError):
                        found.shutdown(socket.SHUT_RDWR)

    return Adapter()


def open_session(adapter: Any) -> Any:
    """Return requests' session over an adapter. It keeps no cookies: keys alone say who asks."""
    import requests

    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def read_environment(session: Any, url: str) -> None:
    """Take proxies and certificates from the environment, once: requests would look at each request anew."""
    if session.trust_env:
        found = session.merge_environment_settings(url, {}, True, None, None)
        session.proxies, session.verify = found["proxies"], found["verify"]
        session.trust_env = False
