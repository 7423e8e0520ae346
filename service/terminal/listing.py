"""What commands that list things have in common."""

from __future__ import annotations

import click

MAX_SHOWN = 20

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
limit_option = click.option(
    "--limit", default=MAX_SHOWN, show_default=True, type=click.IntRange(1, 1000), help="At most so many."
)


class Listing(click.Group):
    """A group whose command `list` is meant where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` before options that are not of the group."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def short(moment: str | None) -> str:
    """Return a moment without its year and its seconds."""
    return moment[5:16].replace("T", " ") if moment else ""
