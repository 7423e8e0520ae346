"""Faults of the schema: records and pages that are not what they were yesterday."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fullbay.draws import Draw
from tests.fullbay.faults import Scene, kind
from tests.fullbay.messages import Text, dumps
from tests.fullbay.resources import KINDS
from tests.fullbay.v1 import PREFIX

DEPTH = 200
MARK = "@mark@"

Raw = dict[str, Any]


class Names:
    """What the id, the amount, the text and the time of a record are called, by the path of the request."""

    def __init__(self, path: str) -> None:
        found = KINDS.get(path.removeprefix(PREFIX))
        self.id = "id" if found else "primaryKey"
        self.amount = found.amounts[0] if found else "total"
        self.text = {"work-orders": "customer_name", "customers": "name", "parts": "description"}.get(
            found.name if found else "", "customerTitle"
        )
        self.time = "updated_at" if found else "invoiceDate"


def _marked(raw: Raw, name: str, text: str) -> Text:
    """Write a record down with a value that no writer of JSON would write."""
    return Text(dumps(raw | {name: MARK}).replace(f'"{MARK}"', text))


DRIFTS: dict[str, Callable[[Raw, Names], Any]] = {
    "id_missing": lambda raw, names: {name: value for name, value in raw.items() if name != names.id},
    "id_null": lambda raw, names: raw | {names.id: None},
    "id_empty": lambda raw, names: raw | {names.id: ""},
    "id_object": lambda raw, names: raw | {names.id: {"value": raw[names.id]}},
    "amount_object": lambda raw, names: raw | {names.amount: {"value": raw.get(names.amount), "currency": "USD"}},
    "amount_text": lambda raw, names: raw | {names.amount: "call us"},
    "time_text": lambda raw, names: raw | {names.time: "yesterday"},
    "text_object": lambda raw, names: raw | {names.text: {"first": "A", "last": "B"}},
    "record_null": lambda raw, names: None,
    "record_list": lambda raw, names: [raw],
    "record_text": lambda raw, names: dumps(raw),
    "extra_keys": lambda raw, names: raw | {"newField": {"since": 2026, "of": [1, None, "x"]}, "": 0},
    "nul": lambda raw, names: _marked(raw, names.text, '"before\\u0000after"'),
    "surrogate": lambda raw, names: _marked(raw, names.text, '"half of \\ud83d"'),
    "huge_number": lambda raw, names: _marked(raw, names.amount, "1e999"),
    "long_number": lambda raw, names: _marked(raw, names.amount, "9" * 5000),
    "deep": lambda raw, names: _marked(raw, "nested", "[" * DEPTH + "]" * DEPTH),
    "key_twice": lambda raw, names: Text(f'{{"{names.id}": "shadow", {dumps(raw)[1:]}'),
    "nan": lambda raw, names: _marked(raw, names.amount, "NaN"),
}
HARMLESS = ("extra_keys", "duplicate")  # nothing may be lost by these


@kind("page")
def drift(scene: Scene, what: str = "id_missing", share: float = 0.02) -> bool | None:
    """A share of the records is spoilt, the same ones on each request; `duplicate` has one of them twice in its page.

    `data_renamed` and `data_null` spoil the page.
    """
    page, names = scene.made, Names(scene.request.path)
    if what in ("data_renamed", "data_null"):
        if page.data is None:
            return False
        if what == "data_null":
            page.members[page.data] = None
            page.raws = []
        page.data = "items"
        scene.details |= {"what": what}
        return None
    if what != "duplicate" and what not in DRIFTS:
        raise ValueError(f"no drift is called {what}")
    chosen = [at for at, one in enumerate(page.ids) if Draw(scene.fullbay.seed, "drift", one).chance(share)]
    if not chosen:
        return False
    scene.details |= {"what": what, "ids": [page.ids[at] for at in chosen]}
    for at in chosen:
        if what == "duplicate":
            page.raws.append(page.raws[at])
        elif isinstance(page.raws[at], dict):
            page.raws[at] = DRIFTS[what](page.raws[at], names)
    return None
