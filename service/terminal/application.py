"""The application that a command works in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click
from flask import Flask

from service import terminal
from service.app import create_app
from service.config import Config
from service.database import embedded, get_database
from service.database.schema import applied, shipped
from service.errors import Invalid, ServiceUnavailable

T = TypeVar("T")


class NotMigrated(ServiceUnavailable):
    """The database has not the tables of this version."""


@contextmanager
def opened(settings: Config | None = None) -> Iterator[Flask]:
    """Give an application in its context, whose database has every table."""
    app = create_app(embedded.provide(settings or terminal.settings()))
    with app.app_context():
        try:
            _expect_migrations()
            yield app
        finally:
            get_database().close()


def _expect_migrations() -> None:
    with get_database().transaction() as cursor:
        missing = sorted(set(shipped()) - set(applied(cursor)))
    if missing:
        raise NotMigrated(
            f"The database lacks {', '.join(missing)}: run `python -m service migrate`, then this command again"
        )


def checked(work: Callable[[], T]) -> T:
    """Return what `work` returns; what it finds invalid is wrong usage."""
    try:
        return work()
    except Invalid as error:
        raise click.UsageError(error.message) from None
