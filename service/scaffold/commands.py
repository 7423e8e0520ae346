"""The command `endpoint new`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent.parent

NEXT = """
Next:
  make test ARGS=tests/{name} and make check; then the whole suite, make test
  make routes, again whenever you change a route
  git add -A && git commit; the migration runs with `python -m service migrate`
"""


@click.group()
def endpoint() -> None:
    """Write new endpoints into a checkout."""


@endpoint.command()
@click.argument("name")
@click.option("--fields", default="", help='Names and types, such as "name:str eaten_at:datetime notes:str?".')
@click.option(
    "--auth", default="", help="user: each row is its user's. scope: rows are for who has NAME:read or :write."
)
@click.option("--path", help="Where the routes are.  [default: /NAME, with dashes]")
@click.option("--singular", help="What one of them is called.  [default: NAME without its plural ending]")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def new(name: str, fields: str, auth: str, path: str | None, singular: str | None, dry_run: bool) -> None:
    """Write a feature: its table, its routes, and tests of every rule.

    NAME is a plural, in words of a-z joined by _. The routes are those of a list: POST and GET for all, GET, PUT and
    DELETE for one. Where something refuses or fails, nothing is written.

    \b
    Types of fields; a ? behind a type makes the field optional:
      str      1 to 200 characters     date      2026-01-15
      text     at most 2000            datetime  2026-01-15T10:30:00Z
      int      32 bits                 uuid      0f8fad5b-d9cb-469f-a165-70867728950e
      decimal  every digit is kept     bool      true, false

    \b
    Example:
      python -m service endpoint new meals --auth user --fields "name:str eaten_at:datetime notes:str?"
    """
    from service.app import create_app
    from service.config import Config
    from service.scaffold.names import Refused, feature
    from service.scaffold.writing import Failed, alone, carry_out, plan

    try:
        wanted = feature(name, fields, auth, path, singular)
        with alone(ROOT):
            planned = plan(ROOT, create_app(Config()), wanted)
            if not dry_run:
                carry_out(ROOT, planned)
    except (Refused, Failed) as error:
        click.echo(f"headgate: {error}", err=True)
        sys.exit(2 if isinstance(error, Refused) else 1)
    would = "would " if dry_run else ""
    for added in planned.added:
        click.echo(f"{would}add    {added}")
    for changed in (*planned.changed, *planned.generated):
        click.echo(f"{would}change {changed}")
    if not dry_run:
        click.echo(NEXT.format(name=name), nl=False)
