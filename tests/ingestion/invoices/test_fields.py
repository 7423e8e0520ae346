"""One value in each of its spellings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from service.ingestion.fullbay.fields import Fields
from service.ingestion.records import Rejected


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        *((told, True) for told in ("Yes", "YES", " yes ", "1", 1, True, "true")),
        *((told, False) for told in ("No", "no", "0", 0, False, "False")),
        *((told, None) for told in (None, "")),
    ],
    ids=repr,
)
def test_a_flag_has_several_spellings(told: Any, meant: bool | None) -> None:
    assert Fields({"taxable": told}).flag("taxable") is meant


@pytest.mark.parametrize("told", ["maybe", "Y", " ", 2, -1, Decimal("1.0"), [], {}, ["Yes"]], ids=repr)
def test_what_is_no_flag_is_refused(told: Any) -> None:
    with pytest.raises(Rejected) as refusal:
        Fields({"taxable": told}, "Parts[2]").flag("taxable")
    assert refusal.value.path == "Parts[2].taxable"


@pytest.mark.parametrize(
    ("told", "meant"), [("T12", "T12"), (7, "7"), (Decimal("7.50"), "7.50"), ("", None), (None, None)]
)
def test_a_name_is_a_text_or_a_number(told: Any, meant: str | None) -> None:
    assert Fields({"number": told}).name("number") == meant


def test_prose_may_be_long_and_a_name_may_not() -> None:
    fields = Fields({"note": "x" * 50_000})
    assert fields.prose("note") == "x" * 50_000
    with pytest.raises(Rejected):
        fields.name("note")
