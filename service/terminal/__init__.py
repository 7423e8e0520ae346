"""What every command does first, and when it is told to stop."""

from __future__ import annotations

from typing import Any

from service import config, logs
from service.config import Config


def settings() -> Config:
    """Return the configuration; let the log say no more than warnings, unless it is for debugging."""
    found = config.load()
    logs.configure(found.log_level if found.log_level == "DEBUG" else "WARN")
    return found


def interrupt(*_: Any) -> None:
    """Handle a signal as Ctrl-C is handled."""
    raise KeyboardInterrupt
