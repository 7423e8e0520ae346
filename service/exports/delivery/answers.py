"""What an answer of 2xx says about single rows. Partners have no common way to say it; this knows the usual ones.

    {"errors": [{"index": 3, "message": "…"}]}      also failures, failed, rejected, rejects, invalid; row, position, …
    {"rejected": {"3": "…"}}                        by position
    {"failed": [{"customer_id": "17", "reason": "…"}]}      by the columns that tell the rows apart
    {"results": [{"status": "ok"}, {"status": 422, "error": "…"}]}      also records, items, data, responses, statuses
    {"failed": 2}                                   which ones is not said

Positions count from 0. All of it is what a stranger sent: of any type, as deep and as large as a body may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.exports.delivery import words

FAILURES = ("errors", "failures", "failed", "rejected", "rejects", "invalid")
RESULTS = ("results", "records", "items", "data", "responses", "statuses")
PLACES = ("index", "row", "position", "recordindex", "rowindex", "record", "i")
ROWS = ("record", "row", "item", "data", "key", "input")
STATUSES = ("status", "state", "result", "outcome", "statuscode", "httpstatus")
BAD_WORDS = ("failed", "failure", "fail", "error", "errored", "rejected", "refused", "invalid", "denied")
VERDICTS = ("success", "succeeded", "ok", "accepted", "valid")
ERRORS = ("error", "errors", "failure", "failures")

MAX_DEPTH = 3  # of an answer that is looked at
MAX_ITEMS_OF_A_ROW = 20
NO_REASON = "refused without a reason"
NOT_SAID = "refused, as the answer counts, which does not say which row"

Locate = Callable[[Mapping[str, Any]], "int | None"]


@dataclass(frozen=True)
class Failure:
    """A row that the partner did not take, by its position in the batch, None where that is not said."""

    index: int | None
    words: str


@dataclass(frozen=True)
class Sent:
    """What is known of the batch: how many rows, which one a mapping names by its key, and the rows themselves."""

    count: int
    locate: Locate | None
    rows: Callable[[], Sequence[Any]]


def failures(body: bytes, sent: Sent) -> tuple[Failure, ...]:
    """Return the rows that an answer refuses, each once, in their order, and at most as many as were sent."""
    value = words.parse(body) if body else None
    return _Reader(sent).read(value) if isinstance(value, (dict, list)) else ()


class _Reader:
    def __init__(self, sent: Sent) -> None:
        self._sent = sent
        self._rows: Sequence[Any] | None = None
        self._most = MAX_ITEMS_OF_A_ROW * sent.count
        self._known: dict[int, list[str]] = {}
        self._unknown: list[str] = []
        self._counted = 0
        self._is_told_of_each = False

    def read(self, value: Any) -> tuple[Failure, ...]:
        """Return what a body of JSON says."""
        if isinstance(value, list):
            self._read_results(value)
        else:
            self._read_object(value, 0)
        if not self._known and not self._unknown and not self._is_told_of_each:
            self._unknown = [NOT_SAID] * min(self._counted, self._sent.count)
        if self._is_told_of_each:
            self._unknown.clear()
        found = [Failure(index, "; ".join(dict.fromkeys(said))) for index, said in sorted(self._known.items())]
        return (*found, *(Failure(None, said) for said in self._unknown[: self._sent.count - len(found)]))

    def _read_object(self, value: Mapping[str, Any], depth: int) -> None:
        for name, inner in value.items():
            word = _word(name)
            if word in FAILURES:
                self._read_failures(inner)
            elif word in RESULTS and isinstance(inner, list):
                self._read_results(inner)
            elif isinstance(inner, dict) and depth < MAX_DEPTH:
                self._read_object(inner, depth + 1)

    def _read_failures(self, value: Any) -> None:
        """Read what stands below a word for failures."""
        if isinstance(value, list):
            for item in value[: self._most]:
                self._read_failure(item)
        elif isinstance(value, dict):
            self._read_failures_by_name(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            self._counted = max(self._counted, value)

    def _read_failures_by_name(self, value: Mapping[str, Any]) -> None:
        lists = [inner for name, inner in value.items() if _word(name) in (*FAILURES, *RESULTS, "list", "rows")]
        if value and all(self._position(name) is not None for name in value):
            for name, inner in value.items():
                self._add(self._position(name), words.of_value(inner))
        elif self._place(value) is not None:
            self._read_failure(value)
        elif lists:
            for inner in lists:
                self._read_failures(inner)
        elif said := words.of_value({name: inner for name, inner in value.items() if not isinstance(inner, int)}):
            self._add(None, said)

    def _read_failure(self, item: Any) -> None:
        if isinstance(item, Mapping):
            self._add(self._place(item), words.of_value(item))
        elif self._position(item) is not None and not isinstance(item, str):
            self._add(self._position(item), "")
        elif item:
            self._add(None, words.of_value(item))

    def _read_results(self, items: list[Any]) -> None:
        """Read a list that may hold a result for each row. One that holds rows as they were sent says nothing."""
        is_complete = len(items) == self._sent.count
        for position, item in enumerate(items[: self._most]):
            index = position if is_complete else None
            if isinstance(item, Mapping):
                located = self._locate(item)
                index = located if located is not None else index if index is not None else self._place(item)
                verdict = _verdict(item, partial(self._row, position if index is None else index))
                self._is_told_of_each |= is_complete and verdict is not None
                if verdict is False:
                    self._add(index, words.of_value(item) or _status_words(item))
            elif is_complete and _is_status(item):
                self._is_told_of_each = True
                if item >= 400:
                    self._add(index, f"status {item}")

    def _add(self, index: int | None, said: str) -> None:
        if index is not None:
            self._known.setdefault(index, []).append(said or NO_REASON)
        elif len(self._unknown) < self._sent.count:
            self._unknown.append(said or NO_REASON)

    def _place(self, item: Mapping[str, Any]) -> int | None:
        """Return the position that an item of an answer is about: by its key, or as it says."""
        located = self._locate(item)
        if located is not None:
            return located
        named = {_word(name): inner for name, inner in item.items()}
        return next((at for name in PLACES if (at := self._position(named.get(name))) is not None), None)

    def _locate(self, item: Mapping[str, Any]) -> int | None:
        if self._sent.locate is None:
            return None
        rows = [inner for name, inner in item.items() if _word(name) in ROWS and isinstance(inner, Mapping)]
        for row in (item, *rows):
            try:
                found = self._sent.locate(row)
            except TypeError:  # what stands in the place of a key is a list, perhaps
                continue
            if found is not None and 0 <= found < self._sent.count:
                return found
        return None

    def _position(self, value: Any) -> int | None:
        if isinstance(value, str) and len(value) < 10 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return value if is_number and 0 <= value < self._sent.count else None

    def _row(self, index: int) -> Mapping[str, Any]:
        if self._rows is None:
            self._rows = self._sent.rows()
        row = self._rows[index] if index < len(self._rows) else None
        return row if isinstance(row, Mapping) else {}


def _verdict(item: Mapping[str, Any], row: Callable[[], Mapping[str, Any]]) -> bool | None:
    """Return whether an item says that its row was taken, None where it says nothing.

    Rows may have a column `status` themselves: what an item that repeats its row has from there is no verdict.
    """
    told = {name: value for name, value in item.items() if _judge(_word(name), value) is not None}
    sent = row() if told else {}
    if sent.keys() <= item.keys():
        told = {name: value for name, value in told.items() if name not in sent or sent[name] != value}
    verdicts = [_judge(_word(name), value) for name, value in told.items()]
    return None if not verdicts else all(verdicts)


def _judge(word: str, value: Any) -> bool | None:
    if word in STATUSES:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if _is_status(value):
            return bool(value < 400)
        return value.strip().lower() not in BAD_WORDS if isinstance(value, str) else None
    if word in VERDICTS:
        return value if isinstance(value, bool) else None
    if word in ERRORS and (value is True or isinstance(value, (str, list, dict))):
        return not value
    return None


def _status_words(item: Mapping[str, Any]) -> str:
    status = next((value for name, value in item.items() if _word(name) in STATUSES and _is_status(value)), None)
    return f"status {status}" if status else ""


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600


def _word(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
