"""`POST /records`: batches are checked, refused in whole or in part, and every row that is taken is written down."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tests.fullbay.draws import Draw
from tests.fullbay.messages import Answer, Request, json_answer
from tests.partner.spellings import BATCH, SPELLINGS

MIXED = "mixed"
SUCCESSES = ("json", "empty", "accepted", "no content", "text", "half")
_NUMBER = re.compile(r'"\\u0000([^"]+)"')

Refuses = Callable[[Mapping[str, Any]], "str | None"]  # the reason to refuse a row


class Accepted(NamedTuple):
    """A row that was taken, and under which idempotency key. Numbers with a point are Decimal."""

    key: str
    row: dict[str, Any]


class Records:
    """The records of a partner. `refusing` is a spelling of `spellings.py`, "batch", or "mixed": one for each key."""

    def __init__(self, seed: int, refuses: Refuses | None, refusing: str, key_columns: tuple[str, ...]) -> None:
        self.refuses: Refuses = refuses or (lambda row: None)
        self.refusing = refusing
        self.success = SUCCESSES[0]
        self.key_columns = key_columns
        self.max_rows: int | None = None
        self.max_bytes: int | None = None
        self.rows: list[Accepted] = []
        self.refused: list[Accepted] = []  # rows that were refused by themselves, in an answer of 2xx or alone
        self.violations: list[str] = []  # what no client may do
        self._seed = seed
        self._answers: dict[str, tuple[bytes, Answer]] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a batch of somebody who may send one."""
        if request.method != "POST":
            return json_answer({"error": "Method Not Allowed"}, 405, Allow="POST")
        key = request.headers.get("idempotency-key", "")
        if not key:
            return self._violated("a batch has no Idempotency-Key", 400)
        digest = hashlib.sha256(request.body).digest()
        known = self._answers.get(key)
        if known is not None:
            if known[0] != digest:
                return self._violated(f"the key {key} came again with another body", 409)
            return known[1]
        answer = self._take(key, request)
        self._answers[key] = digest, answer
        return answer

    def _take(self, key: str, request: Request) -> Answer:
        if self.max_bytes is not None and len(request.body) > self.max_bytes:
            return json_answer({"error": "Payload Too Large", "message": f"at most {self.max_bytes} bytes"}, 413)
        batch = _parse(request.body)
        if not _is_batch(batch) or request.headers.get("content-type") != "application/json":
            return self._violated(f"the batch {key} is none", 400)
        rows = batch["records"]
        if self.max_rows is not None and len(rows) > self.max_rows:
            return json_answer({"error": "Payload Too Large", "message": f"at most {self.max_rows} records"}, 413)
        reasons = {at: reason for at, row in enumerate(rows) if (reason := self.refuses(row)) is not None}
        refusing = self.refusing
        if refusing == MIXED:
            refusing = Draw(self._seed, "refusing", key).choice([BATCH, *SPELLINGS])
        if reasons and refusing == BATCH:
            if len(rows) == 1:
                self.refused.append(Accepted(key, rows[0]))
            return json_answer({"error": "Unprocessable", "message": "; ".join(reasons.values())}, 422)
        self.rows += (Accepted(key, row) for at, row in enumerate(rows) if at not in reasons)
        self.refused += (Accepted(key, rows[at]) for at in reasons)
        if not reasons:
            return self._taken(len(rows))
        status, value = SPELLINGS[refusing](rows, reasons, self.key_columns)
        return Answer(status, dumps(value).encode())

    def _taken(self, count: int) -> Answer:
        return {
            "json": json_answer({"status": "ok", "accepted": count, "errors": []}),
            "empty": Answer(200, b""),
            "accepted": Answer(202, b""),
            "no content": Answer(204, b""),
            "text": Answer(201, b"<html><body>Thank you</body></html>", "text/html"),
            "half": Answer(200, b'{"accepted": [1, 2'),
        }[self.success]

    def _violated(self, what: str, status: int) -> Answer:
        self.violations.append(what)
        return json_answer({"error": "Bad Request", "message": what}, status)


def dumps(value: Any) -> str:
    """Return a value as JSON, Decimals as the numbers that they are."""
    return _NUMBER.sub(r"\1", json.dumps(value, default=_number))


def _number(value: Any) -> str:
    assert isinstance(value, Decimal)
    return f"\0{value}"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _is_batch(batch: Any) -> bool:
    if not isinstance(batch, dict) or batch.keys() != {"batch_number", "total_batches", "records"}:
        return False
    number, total, rows = batch["batch_number"], batch["total_batches"], batch["records"]
    return (
        type(number) is type(total) is int
        and 1 <= number <= total
        and isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) for row in rows)
    )
