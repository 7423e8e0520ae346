"""Tables of text that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

COLUMNS = 100


def print_table(
    titles: Sequence[str], rows: Sequence[Sequence[Any]], *, flexible: int, nothing: str, indent: str = ""
) -> None:
    """Print rows in columns, numbers to the right; the flexible column is cut so that all fit."""
    if not rows:
        click.echo(f"{indent}{nothing}")
        return
    cells = [[f"{each:,}" if isinstance(each, int) else str(each).replace("\n", " ") for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    room = COLUMNS - len(indent) - sum(widths) - 2 * (len(widths) - 1) + widths[flexible]
    widths[flexible] = min(widths[flexible], max(room, len(titles[flexible])))
    for place, row in enumerate([list(titles), *cells]):
        is_number = [place > 0 and isinstance(each, int) for each in rows[max(0, place - 1)]]
        texts = [
            each.rjust(width) if right else _cut(each, width).ljust(width)
            for each, width, right in zip(row, widths, is_number, strict=True)
        ]
        click.echo((indent + "  ".join(texts)).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
