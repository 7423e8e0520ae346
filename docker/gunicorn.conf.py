"""gunicorn's settings, for `make run` and for the image. What can be changed stands in docs/configuration.md."""

from pathlib import Path

from service.config import load

_settings = load()
_memory = Path("/dev/shm")  # noqa: S108

bind = f"{_settings.host}:{_settings.port}"
workers = _settings.workers
worker_class = "gthread"
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
