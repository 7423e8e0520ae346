"""gunicorn's settings, for `make run` and for the image. What can be changed stands in docs/configuration.md."""

import sys
from pathlib import Path

from gunicorn.workers.gthread import ThreadWorker

from service.config import NO_DATABASE, ConfigError, load

try:
    _settings = load()
    if _settings.database.is_embedded:  # `make run` has started it by now, and says where it is
        raise ConfigError(NO_DATABASE)
except ConfigError as error:  # gunicorn would print a traceback, and every worker once more
    print(f"headgate: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


class PromptWorker(ThreadWorker):
    """Hangs up on idle connections when it is told to stop; gunicorn's own waits for them until `graceful_timeout`."""

    def handle_exit(self, sig, frame):
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._expire_idle)

    def _expire_idle(self):
        for connection in (*self.keepalived_conns, *self.pending_conns):
            connection.timeout = 0


_memory = Path("/dev/shm")  # noqa: S108

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = PromptWorker
threads = _settings.threads
http_parser = "fast"  # picohttpparser in C
keepalive = 75  # seconds: longer than the 60 of a load balancer, so that it is the one who hangs up
timeout = 60
graceful_timeout = _settings.graceful_seconds
backlog = 1024
control_socket_disable = True  # its socket would want a writable home
# Heartbeats in memory: on a read-only or slow disk they would stall the worker.
worker_tmp_dir = str(_memory) if _memory.is_dir() else None

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "service.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": _settings.log_level, "handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False}},
}
