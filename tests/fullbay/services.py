"""The second dialect: `GET /services/getInvoices.php`, with a token of the day, windows of a week and pages."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests.fullbay.messages import Answer, Page, Request, json_answer

if TYPE_CHECKING:
    from tests.fullbay.stand_in import Fullbay

PATH = "/services/getInvoices.php"
MAX_DAYS = 7


def failed(message: str) -> Answer:
    """Return a failure, which has status 200."""
    return json_answer({"status": "FAIL", "message": message})


def token_of(key: str, day: date, ip: str) -> str:
    """Return the token that a caller must send on a day."""
    return hashlib.sha1(f"{key}{day.isoformat()}{ip}".encode()).hexdigest()


def page(fullbay: Fullbay, request: Request) -> Page | Answer:
    """Return the page that a request asks for."""
    query = request.query
    if request.path != PATH:
        return Answer(404, b"<html><body>Not Found</body></html>", "text/html")
    if request.method != "GET":
        return json_answer({"error": "Method Not Allowed"}, 405, Allow="GET")
    shop = fullbay.shop_of_key(query.get("key", ""))
    if shop is None:
        return failed("Invalid API key")
    if query.get("token") != token_of(query["key"], fullbay.clock().date(), fullbay.egress_ip or request.ip):
        return failed("Invalid token")
    try:
        first, last = date.fromisoformat(query["startDate"]), date.fromisoformat(query["endDate"])
        number = int(query.get("page", "1"))
    except (KeyError, ValueError):
        return failed("startDate, endDate or page is missing or invalid")
    if last < first or number < 1:
        return failed("endDate is before startDate, or page before 1")
    if last - first >= timedelta(days=MAX_DAYS):
        return failed(f"Date range cannot exceed {MAX_DAYS} days")
    ledger = fullbay.ledgers[shop]
    found = ledger.window(first, last)
    ends = _page_ends(len(found), fullbay.invoices_per_page, fullbay.has_short_pages)
    begin = ends[number - 2] if 2 <= number <= len(ends) + 1 else len(found) if number > 1 else 0
    end = ends[number - 1] if number <= len(ends) else begin
    records = [ledger.record(at) if isinstance(at, int) else at for at in found[begin:end]]
    return Page(
        [record.id for record in records],
        [record.raw for record in records],
        {
            "status": "SUCCESS",
            "startRecordNumber": begin + 1 if records else 0,
            "endRecordNumber": end,
            "resultCount": len(records),
            "totalCount": len(found),
            "pageSize": fullbay.invoices_per_page,
            "currentPage": number,
            "totalPages": len(ends) or 1,
        },
        "resultSet",
        "totalCount",
    )


def _page_ends(count: int, size: int, has_short_pages: bool) -> list[int]:
    """Return where each page ends. Every second page is short, so that a short page proves nothing."""
    ends: list[int] = []
    while (begin := ends[-1] if ends else 0) < count:
        is_short = has_short_pages and len(ends) % 2
        ends.append(min(begin + (max(size - 3, 1) if is_short else size), count))
    return ends
