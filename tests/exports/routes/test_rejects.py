"""What the partner refused, as JSON and as CSV: every digit, every character, and no formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from service.exports import answers
from tests.exports.house import CUSTOMERS, DIGITS, ODD, House
from tests.exports.routes.conftest import RUNS
from tests.ingestion.routes.conftest import walk
from tests.transports import Client

HEADER = ["row", "batch", "status", "reason", "attempts", "rejectedAt", "sentAt", "record"]


def exported(house: House, client: Client, refuses: Any, table: str = ODD, **asked: Any) -> str:
    """Export a table of which the partner refuses rows; return the location of the run."""
    house.renew(refuses)
    location = client.post(RUNS, json={"table": table, **asked}).headers["location"]
    house.work(EXPORT_CONCURRENCY="1")
    return location


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def pages_of(client: Client, target: str) -> Iterator[list[list[str]]]:
    """Follow the Link headers of a file."""
    while target:
        answer = client.get(target)
        assert answer.status == 200, answer.body
        header, *rows = read(answer.body.decode())
        assert header == HEADER
        yield rows
        link = answer.headers.get("link", "")
        target = link[1 : link.index(">")] if link else ""


def test_rejects_tell_the_row_the_reason_and_every_digit(house: House, client: Client) -> None:
    location = exported(house, client, lambda row: f"no row {row['id']}")
    answer = client.get(f"{location}/rejects")
    rejects = json.loads(answer.body, parse_float=Decimal)["rejects"]
    assert [one["row"] for one in rejects] == [1, 2, 3, 4]
    by_id = {one["record"]["id"]: one for one in rejects if one["record"]}
    assert by_id[2**63 - 1]["record"]["amount"] == DIGITS
    assert str(DIGITS) in answer.body.decode()
    assert by_id[2]["record"]["text"] == "Žluťoučký 日本語 \U0001f600\r\n\"quoted\", 'too'"
    assert by_id[3]["record"]["amount"] is None
    for number in (2, 3):
        one = by_id[number]
        assert (one["reason"], one["status"], one["attempts"], one["sentAt"]) == (f"no row {number}", 422, 1, None)
        assert one["batch"] == 1
    (long,) = (one for one in rejects if one["record"] is None)
    assert long["recordLength"] > 20_000
    assert long["recordText"].startswith('{"id":4,"text":"xxx')
    assert len(long["recordText"]) == 1000


def test_the_file_is_csv_with_every_digit(house: House, client: Client) -> None:
    location = exported(house, client, lambda row: f"no row {row['id']}")
    answer = client.get(f"{location}/rejects.csv")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    text = answer.body.decode()
    assert text.endswith("\r\n")
    header, *rows = read(text)
    assert header == HEADER
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    told = [json.loads(row[-1], parse_float=Decimal) for row in rows if row[-1].endswith("}")]
    assert {one["amount"] for one in told} >= {DIGITS, DIGITS.copy_negate(), None}
    assert "Žluťoučký 日本語 \U0001f600\r\n\"quoted\", 'too'" in [one["text"] for one in told]
    assert {row[3] for row in rows} >= {"no row 2", "no row 3"}


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_reason_is_no_formula(sign: str) -> None:
    reason = f'{sign}HYPERLINK("http://x")'
    row = (1, 7, 1, 422, reason, 1, None, None, '{"a":-1}', 8)
    (_, told) = read(answers.as_csv([row]))
    assert told[3] == f"'{reason}"
    assert told[7] == '{"a":-1}'
    assert json.loads(answers.reject(row))["reason"] == reason


def test_a_plain_reason_stays_as_it_is() -> None:
    row = (1, 7, 1, 422, 'no "such" row,\n1-2=3', 1, None, None, "{}", 2)
    assert read(answers.as_csv([row]))[1][3] == 'no "such" row,\n1-2=3'


def test_pages_of_rejects_hold_each_once(house: House, client: Client) -> None:
    location = exported(house, client, lambda row: "no" if row["customer_id"] % 3 else None, CUSTOMERS, limit=90)
    numbers = [one["row"] for one in walk(client, f"{location}/rejects?limit=7", "rejects")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 60
    files = list(pages_of(client, f"{location}/rejects.csv?limit=25"))
    assert [len(rows) for rows in files] == [25, 25, 10]
    assert [int(row[0]) for rows in files for row in rows] == numbers
    assert [len(rows) for rows in pages_of(client, f"{location}/rejects.csv")] == [60]


def test_a_page_is_no_longer_than_lambda_can_answer(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    run_id = location.rpartition("/")[2]
    house.sql(
        """
        INSERT INTO export_rejects (run_id, row_number, batch_number, payload, status_code, reason)
        SELECT %s, number, 1, '{"a": "' || repeat('"' || chr(26085), 3900) || '"}', 422, 'no'
        FROM generate_series(1, 400) AS number
        """,
        run_id,
    )
    sizes, numbers = [], []
    target = f"{location}/rejects.csv"
    while target:
        answer = client.get(target)
        sizes.append(len(json.dumps(answer.body.decode())))
        numbers += [int(row[0]) for row in read(answer.body.decode())[1:]]
        link = answer.headers.get("link", "")
        target = link[1 : link.index(">")] if link else ""
    assert numbers == list(range(1, 401))
    assert max(sizes) < 6 * 1024 * 1024


def test_rejects_that_got_through_are_told_apart(house: House, client: Client) -> None:
    location = exported(house, client, lambda row: "no" if row["customer_id"] < 4 else None, CUSTOMERS)
    house.partner.records.refuses = lambda row: "no" if row["customer_id"] == 2 else None
    client.post(f"{location}/retry")
    house.work()

    def ids(state: str) -> list[int]:
        return sorted(
            one["record"]["customer_id"] for one in client.get(f"{location}/rejects{state}").json()["rejects"]
        )

    assert (ids(""), ids("?state=sent"), ids("?state=all")) == ([2], [1, 3], [1, 2, 3])
    (still,) = client.get(f"{location}/rejects?state=open").json()["rejects"]
    assert (still["attempts"], still["sentAt"]) == (2, None)
    (rows,) = pages_of(client, f"{location}/rejects.csv?state=sent")
    assert all(row[6].endswith("Z") for row in rows)


def test_a_run_without_rejects_has_a_file_with_nothing_but_its_header(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    assert client.get(f"{location}/rejects").json() == {"rejects": []}
    assert (
        client.get(f"{location}/rejects.csv").body == b"row,batch,status,reason,attempts,rejectedAt,sentAt,record\r\n"
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("rejects?state=closed", "state"),
        ("rejects?limit=0", "limit"),
        ("rejects?limit=101", "limit"),
        ("rejects.csv?limit=1001", "limit"),
        ("rejects?cursor=x", "cursor"),
        ("rejects.csv?page=2", "page"),
    ],
)
def test_a_bad_query_is_told_which_rule_it_breaks(house: House, client: Client, target: str, path: str) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    answer = client.get(f"{location}/{target}")
    assert answer.status == 422
    assert [flaw["path"] for flaw in answer.json()["details"]["errors"]] == [path]
