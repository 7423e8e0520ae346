"""The example in docs/invoices.md is what comes out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.documents import parse
from service.ingestion.fullbay.invoice_records import Invoices
from tests.ingestion.invoices.conftest import STREAM

TEXT = (Path(__file__).parents[3] / "docs" / "invoices.md").read_text()
EXAMPLE = TEXT.partition("## Example")[2]
SENT = EXAMPLE.partition("```json")[2].partition("```")[0]


def table(number: int) -> tuple[list[str], list[list[str | None]]]:
    """Return the header and the rows of a table of the example."""
    lines = re.findall(r"(?:^\|.*\|\n)+", EXAMPLE, re.MULTILINE)[number].splitlines()
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return header, [[cell or None for cell in row] for row in rows]


def test_the_example_is_what_comes_out(begin: Callable[[], Any]) -> None:
    with begin() as cursor:
        Invoices().store(cursor, STREAM, [Invoices().read(parse(SENT))])
        for number, name in enumerate(("fullbay_line_items", "fullbay_invoice_differences")):
            header, rows = table(number)
            cursor.execute(f"SELECT {', '.join(header)} FROM {name} ORDER BY position")
            stored = [[None if value in (None, "") else str(value) for value in row] for row in cursor]
            assert stored == rows


def test_the_questions_can_be_asked(begin: Callable[[], Any]) -> None:
    with begin() as cursor:
        Invoices().store(cursor, STREAM, [Invoices().read(parse(SENT))])
        cursor.execute(EXAMPLE.partition("```sql")[2].partition("```")[0].partition(";")[0])
        assert sorted(cursor, key=str)[0][1:3] == ("Ada Quill", 87)
        cursor.execute(EXAMPLE.partition("```sql")[2].partition("```")[0].partition(";")[2])
        assert len(cursor.fetchall()) == 6
