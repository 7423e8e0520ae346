"""gunicorn's settings, for `make run` and for the image. What can be changed stands in docs/configuration.md."""

import logging
import re
import select
import sys
from pathlib import Path

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.gthread import ThreadWorker

from service.config import NO_DATABASE, ConfigError, load
from service.logs import formatter
from service.metrics import processes

LINGER_MS = 10

_INVALID_REQUEST = re.compile("(Invalid request from ip=[^ ]*): .*", re.DOTALL)

try:
    _settings = load()
    if _settings.database.is_embedded:  # `make run` has started it by now, and says where it is
        raise ConfigError(NO_DATABASE)
    processes.share(_settings)
except ConfigError as error:  # gunicorn would print a traceback, and every worker once more
    print(f"headgate: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


class Worker(ThreadWorker):
    """gunicorn's threaded worker, with two habits of its own."""

    def handle(self, conn):
        """Answer a request, and the next one of the same connection if it comes at once.

        gunicorn hands each request of a kept connection to the main thread and back, which takes longer than parsing
        it does. A thread that nobody waits for can as well stay for a moment.
        """
        while (result := super().handle(conn)) is True and self.alive and not self.tpool._work_queue.qsize():  # noqa: SLF001
            poller = select.poll()
            poller.register(conn.sock, select.POLLIN)
            if not poller.poll(LINGER_MS):
                break
        return result

    def handle_exit(self, sig, frame):
        """Hang up on idle connections when told to stop; gunicorn's own waits for them until `graceful_timeout`."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._expire_idle)

    def _expire_idle(self):
        for connection in (*self.keepalived_conns, *self.pending_conns):
            connection.timeout = 0


class Logger(GunicornLogger):
    """gunicorn's log as JSON lines like the service's; requests are logged by the service."""

    def setup(self, cfg):
        self.cfg = cfg
        self.error_log.propagate = False
        self.error_log.setLevel(logging.INFO)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter())
        self.error_log.handlers[:] = [handler]

    def warning(self, msg, *args, **kwargs):
        """Log a warning. A request that is no HTTP is not quoted: the broken line may be the one with the token."""
        super().warning(_INVALID_REQUEST.sub(r"\1", msg), *args, **kwargs)

    def access(self, *_):
        """Log nothing."""


def post_fork(server, worker):
    """Let a worker measure together with the others."""
    processes.join()


_memory = Path("/dev/shm")  # noqa: S108

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = Worker
logger_class = Logger
threads = _settings.threads
http_parser = "auto"  # the one in C where it is installed, as in the image
limit_request_line = 8190  # the most that gunicorn takes: ids of 255 characters in any script need it
keepalive = 75  # seconds: longer than the 60 of a load balancer, so that it is the one who hangs up
timeout = 60
graceful_timeout = _settings.graceful_seconds
backlog = 1024
control_socket_disable = True  # its socket would want a writable home
# Heartbeats in memory: on a read-only or slow disk they would stall the worker.
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
