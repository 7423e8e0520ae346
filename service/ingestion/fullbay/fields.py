"""The members of a JSON object of Fullbay, each read as what it should be; a wrong one is `Rejected` with its path."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from service.ingestion import values
from service.ingestion.records import Rejected

MAX_NAME = 255
MAX_PROSE = 1_000_000

_NOTHING: tuple[Any, ...] = (None, "", [], {})  # PHP writes an empty object as a list


class Fields:
    """An object and where it stands. Null, `""`, `[]` and `{}` are an empty object, and an empty list."""

    __slots__ = ("_members", "path")

    def __init__(self, value: Any, path: str = "") -> None:
        if value in _NOTHING:
            value = {}
        elif not isinstance(value, dict):
            raise Rejected(path, "must be an object")
        self._members: dict[str, Any] = value
        self.path = path

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def amount(self, name: str) -> Decimal | None:
        """Return a number or money text exactly, None where there is none."""
        return values.amount(self._members.get(name), self._at(name))

    def day(self, name: str) -> date | None:
        """Return a day, None where there is none."""
        return values.day(self._members.get(name), self._at(name))

    def flag(self, name: str) -> bool | None:
        """Return a boolean in one of its spellings, None where there is none."""
        return values.flag(self._members.get(name), self._at(name))

    def name(self, name: str) -> str | None:
        """Return a name, number or id of at most 255 characters, None where there is none."""
        return values.text(self._members.get(name), self._at(name), MAX_NAME) or None

    def prose(self, name: str) -> str | None:
        """Return a text that people write, None where there is none."""
        return values.text(self._members.get(name), self._at(name), MAX_PROSE) or None

    def identifier(self, name: str) -> str:
        """Return an id, which must be there."""
        return values.identifier(self._members.get(name), self._at(name))

    def inner(self, name: str) -> Fields:
        """Return an object inside this one."""
        return Fields(self._members.get(name), self._at(name))

    def each(self, name: str) -> list[Fields]:
        """Return the objects of a list inside this one."""
        found = self._members.get(name)
        if found in _NOTHING:
            return []
        if not isinstance(found, list):
            raise Rejected(self._at(name), "must be a list")
        return [Fields(value, f"{self._at(name)}[{index}]") for index, value in enumerate(found)]
