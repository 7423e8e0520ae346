"""The store of events without HTTP around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.config import Config
from service.database import Database
from service.events.service import EventStore


@pytest.fixture
def store(settings: Config) -> Iterator[EventStore]:
    database = Database(settings)
    yield EventStore(database)
    database.close()
