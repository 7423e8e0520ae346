from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from tests.partner import Accepted, Fault, Faults, Partner
from tests.partner.conftest import ask_token, post
from tests.partner.faults import CHOICES, KINDS
from tests.partner.spellings import SPELLINGS

Start = Callable[..., Partner]
ROW = {"customer_id": "1", "name": "Ann"}
BAD = {"customer_id": "2", "name": ""}


def refuses(row: Any) -> str | None:
    return None if row["name"] else "name is empty"


def statuses(partner: Partner, count: int = 8) -> list[int]:
    token = partner.grants.issue()
    return [post(partner, ROW, key=f"k{number}", token=token).status_code for number in range(count)]


class TestTokens:
    def test_who_knows_the_secret_gets_one(self, partner: Partner) -> None:
        found = ask_token(partner).json()
        assert found == {"access_token": partner.tokens[0], "token_type": "Bearer", "expires_in": 3600}
        form = {name: partner.credentials[name] for name in ("client_id", "client_secret")}
        by_post = requests.post(
            partner.url + "/oauth/token", data=form | {"grant_type": "client_credentials"}, timeout=5
        )
        assert by_post.json()["access_token"] == partner.tokens[1] != partner.tokens[0]

    @pytest.mark.parametrize(
        ("changes", "status", "error"),
        [
            ({"client_secret": "wrong"}, 401, "invalid_client"),
            ({"client_id": "wrong"}, 401, "invalid_client"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"scope": "other"}, 400, "invalid_scope"),
        ],
    )
    def test_who_asks_wrongly_gets_none(self, start: Start, changes: Any, status: int, error: str) -> None:
        partner = start(scope="write")
        answer = ask_token(partner, **changes)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert partner.tokens == []

    def test_a_token_ends_by_time_by_use_and_by_revocation(self, start: Start) -> None:
        by_time, by_use, revoked = start(token_seconds=0.3), start(token_uses=2), start()
        assert statuses(by_time, 1) == [200]
        assert statuses(by_use, 3) == [200, 200, 401]
        token = by_time.grants.issue()
        time.sleep(0.35)
        assert post(by_time, ROW, token=token).status_code == 401
        token = revoked.grants.issue()
        revoked.revoke()
        assert post(revoked, ROW, token=token).status_code == 401
        assert revoked.rows == []

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer nothing", "Basic {token}", "{token}"])
    def test_without_a_good_token_nothing_is_taken(self, partner: Partner, header: str) -> None:
        header = header.format(token=partner.grants.issue())
        assert post(partner, ROW, headers={"Authorization": header}).status_code == 401
        assert partner.rows == []


class TestRecord:
    def test_what_is_taken_is_written_down_with_its_key(self, partner: Partner) -> None:
        body = '{"batch_number": 1, "total_batches": 2, "records": [{"n": 1.10, "i": 12345678901234567890}]}'
        assert post(partner, body=body, key="run-7").status_code == 200
        assert partner.rows == [Accepted("run-7", {"n": Decimal("1.10"), "i": 12345678901234567890})]
        told = requests.get(partner.url + "/_record", timeout=5)
        assert '"row": {"n": 1.10, "i": 12345678901234567890}' in told.text
        assert told.json()["accepted"] == 1
        assert "rows" not in requests.get(partner.url + "/_record?rows=0", timeout=5).json()

    def test_a_key_that_comes_again_is_answered_as_before_and_taken_once(self, partner: Partner) -> None:
        first, second = post(partner, ROW), post(partner, ROW)
        assert first.content == second.content
        assert len(partner.rows) == 1
        assert post(partner, BAD).status_code == 409
        assert partner.violations == ["the key k1 came again with another body"]

    @pytest.mark.parametrize(
        "body",
        [
            "[]",
            "{",
            "[" * 10_000,
            '{"records": [{}]}',
            '{"batch_number": 1, "total_batches": 1, "records": []}',
            '{"batch_number": 2, "total_batches": 1, "records": [{}]}',
            '{"batch_number": true, "total_batches": 1, "records": [{}]}',
            '{"batch_number": 1, "total_batches": 1, "records": [[]]}',
            '{"batch_number": 1, "total_batches": 1, "records": [{}], "more": 1}',
        ],
        ids=lambda body: body[:60],
    )
    def test_what_is_no_batch_is_a_violation(self, partner: Partner, body: str) -> None:
        assert post(partner, body=body).status_code == 400
        assert partner.violations == ["the batch k1 is none"]

    def test_a_batch_needs_a_key_and_a_type(self, partner: Partner) -> None:
        assert post(partner, ROW, headers={"Idempotency-Key": ""}).status_code == 400
        assert post(partner, ROW, headers={"Content-Type": "text/plain"}).status_code == 400
        assert len(partner.violations) == 2

    def test_batches_have_a_limit(self, start: Start) -> None:
        partner = start(max_rows=2, max_bytes=200)
        assert post(partner, ROW, ROW, ROW).status_code == 413
        assert post(partner, ROW | {"name": "x" * 200}, key="k2").status_code == 413
        assert post(partner, ROW, ROW, key="k3").status_code == 200

    def test_a_batch_is_refused_for_the_sake_of_a_row(self, start: Start) -> None:
        partner = start(refuses=refuses)
        assert post(partner, ROW, BAD).status_code == 422
        assert (partner.rows, partner.refused_rows) == ([], [])
        assert post(partner, BAD, key="k2").json()["message"] == "name is empty"
        assert partner.refused_rows == [Accepted("k2", BAD)]

    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_a_row_is_refused_by_itself(self, start: Start, spelling: str) -> None:
        partner = start(refuses=refuses, refusing=spelling)
        answer = post(partner, ROW, BAD)
        assert 200 <= answer.status_code < 300
        assert "name is empty" in answer.text
        assert partner.rows == [Accepted("k1", ROW)]
        assert partner.refused_rows == [Accepted("k1", BAD)]

    @pytest.mark.parametrize(
        ("success", "status"), [("empty", 200), ("accepted", 202), ("no content", 204), ("text", 201), ("half", 200)]
    )
    def test_a_success_may_say_nothing(self, start: Start, success: str, status: int) -> None:
        assert post(start(success=success), ROW).status_code == status

    def test_there_is_nothing_else(self, partner: Partner) -> None:
        assert requests.get(partner.url + "/nothing", timeout=5).status_code == 404
        assert requests.get(partner.url + "/records", timeout=5).status_code == 401
        assert requests.get(partner.url + "/_nothing", timeout=5).status_code == 404

    def test_a_fast_one_looks_at_nothing(self, start: Start) -> None:
        partner = start(is_fast=True)
        assert ask_token(partner).status_code == 200
        assert post(partner, body="nonsense", token="nobody").json() == {"status": "ok"}
        assert (partner.rows, partner.violations, partner.count) == ([], [], 1)


class TestFaults:
    def test_a_fault_befalls_the_requests_that_are_named(self, partner: Partner) -> None:
        partner.faults = [Fault("status", status=503, requests=range(3, 6))]
        assert statuses(partner) == [200, 200, 503, 503, 503, 200, 200, 200]
        assert [one.request for one in partner.applied] == [3, 4, 5]

    def test_it_befalls_the_same_ones_with_the_same_seed(self, start: Start) -> None:
        found = [statuses(start(seed=seed, faults=[Fault("status", probability=0.3)]), 40) for seed in (1, 1, 2)]
        assert found[0] == found[1] != found[2]

    def test_faults_are_random_by_their_seed(self) -> None:
        assert repr(Faults.random(7)) == repr(Faults.random(7))
        drawn = {fault.kind for seed in range(300) for fault in Faults.random(seed)}
        assert drawn == set(CHOICES) <= set(KINDS)
        assert all(kind.act.__doc__ for kind in KINDS.values())

    @pytest.mark.parametrize(("text", "told"), [("nothing", "no fault is called"), ("status:a=b", "has no option")])
    def test_a_fault_that_there_is_not_is_refused(self, text: str, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            Faults.parse(text)

    @pytest.mark.parametrize(("kind", "taken"), [("deaf", 0), ("reset", 0), ("lost", 1)])
    def test_a_connection_ends_before_or_after_the_batch_was_taken(
        self, partner: Partner, kind: str, taken: int
    ) -> None:
        token = partner.grants.issue()
        partner.faults = [Fault(kind, requests=[1])]
        with pytest.raises(requests.ConnectionError):
            post(partner, ROW, token=token)
        assert len(partner.rows) == taken
        assert post(partner, ROW, token=token).status_code == 200
        assert len(partner.rows) == 1

    def test_an_answer_breaks_off(self, partner: Partner) -> None:
        token = partner.grants.issue()
        partner.faults = [Fault("truncate", times=1)]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            post(partner, ROW, token=token)
        assert post(partner, ROW, token=token).json()["accepted"] == 1

    @pytest.mark.parametrize(("kind", "seconds"), [("slow:0.2", 0.2), ("drip:0.01", 0.3)])
    def test_an_answer_is_late(self, partner: Partner, kind: str, seconds: float) -> None:
        token = partner.grants.issue()
        partner.faults = Faults.parse(kind)
        began = time.monotonic()
        assert post(partner, ROW, token=token).status_code == 200
        assert time.monotonic() - began > seconds

    def test_too_many_requests_says_when_or_does_not(self, partner: Partner) -> None:
        for form in ("seconds", "date", "none"):
            partner.faults = [Fault("throttle", seconds=30, form=form)]
            answer = post(partner, ROW, token="x")
            said = answer.headers.get("Retry-After")
            assert answer.status_code == 429
            if form == "date":
                until = parsedate_to_datetime(str(said)) - datetime.now(UTC)
                assert timedelta(seconds=28) < until <= timedelta(seconds=31)
            else:
                assert said == {"seconds": "30", "none": None}[form]
        assert partner.impolite == 2

    def test_a_rate_is_enforced(self, start: Start) -> None:
        partner = start(requests_per_second=2, retry_after="seconds")
        found = statuses(partner, 4)
        assert found[0] == 200
        assert 429 in found

    def test_tokens_are_revoked(self, partner: Partner) -> None:
        partner.faults = [Fault("revoke", requests=[2])]
        assert statuses(partner, 3) == [200, 401, 401]

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    def test_who_follows_to_another_host_is_seen(self, partner: Partner, host: str) -> None:
        partner.faults = [Fault("redirect", host=host, requests=[1])]
        answer = post(partner, ROW, token="x")
        assert answer.status_code == 307
        requests.post(answer.headers["Location"], timeout=5)
        assert len(partner.leaks) == (host == "localhost")

    @pytest.mark.parametrize("form", ["json", "text", "base64"])
    def test_an_error_echoes_what_was_sent(self, partner: Partner, form: str) -> None:
        token = partner.grants.issue()
        partner.faults = [Fault("echo", form=form)]
        answer = post(partner, ROW, token=token)
        assert answer.status_code == 400
        assert (base64.b64encode(token.encode()).decode() if form == "base64" else token) in answer.text

    def test_bodies_and_bytes_are_changed(self, partner: Partner) -> None:
        token = partner.grants.issue()
        partner.faults = [Fault("body", text="null")]
        assert (post(partner, ROW, token=token).status_code, post(partner, ROW, token=token).text) == (202, "null")
        partner.faults = [Fault("gzip"), Fault("html", requests=[2]), Fault("unauthorized", requests=[3])]
        answers = [post(partner, ROW, token=token) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 502, 401]
        assert answers[0].headers["Content-Encoding"] == "gzip"
        assert json.loads(answers[0].text)["accepted"] == 1
