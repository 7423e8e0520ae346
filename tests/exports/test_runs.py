"""Whole runs: every selected row is taken once or listed with its reason, whatever the partner does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from service.exports import batch_queries
from service.exports.delivery import partner as delivery
from tests.athena import Fault as AthenaFault
from tests.athena.queries import Failure
from tests.exports.conftest import Cloud, Installation
from tests.exports.rows import Refusing, rows
from tests.partner import Fault, Partner
from tests.partner.records import MIXED, SUCCESSES
from tests.partner.spellings import BATCH, SPELLINGS

Install = Callable[..., Installation]
Serve = Callable[..., Partner]

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture(scope="module")
def installed(install: Install) -> Installation:
    return install(None, rows(95))


@pytest.fixture
def installation(installed: Installation) -> Installation:
    installed.empty()
    return installed


def test_every_row_gets_there(installation: Installation, serve: Serve) -> None:
    partner = serve()
    installation.send_to(partner)
    run_id, status = installation.export()
    run = installation.assert_true(partner, run_id, rows(95))
    assert (status, run.rows_selected, run.rows_sent, run.planned_batches) == ("SUCCEEDED", 95, 95, 10)
    assert partner.count == 11
    assert len(installation.recorded.started) == 1


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20])
def test_a_table_of_any_size(installation: Installation, serve: Serve, count: int) -> None:
    partner = serve()
    installation.send_to(partner)
    installation.recorded.put(rows(count))
    run_id, status = installation.export()
    installation.recorded.put(rows(95))
    assert status == "SUCCEEDED"
    assert installation.assert_true(partner, run_id, rows(count)).rows_sent == count
    assert partner.count == (count + 9) // 10 + bool(count)


@pytest.mark.parametrize("concurrency", ["1", "8", "32"])
def test_as_many_connections_as_one_likes(installation: Installation, serve: Serve, concurrency: str) -> None:
    partner = serve(refuses=Refusing(3, 17, 18, 44), latency=0.002)
    installation.send_to(partner)
    run_id, status = installation.export({"EXPORT_CONCURRENCY": concurrency, "BATCH_SIZE": "4"})
    run = installation.assert_true(partner, run_id, rows(95))
    assert (status, run.rows_rejected) == ("PARTIAL", 4)


class TestEngines:
    def test_athena(self, install: Install, serve: Serve, cloud: Cloud) -> None:
        partner = serve(refuses=Refusing(5))
        installation = install(partner)
        installation.engine = cloud.engine
        cloud.put(rows(1100))
        run_id, status = installation.export({"BATCH_SIZE": "100"})
        assert status == "PARTIAL"
        installation.assert_true(partner, run_id, rows(1100))
        assert len(cloud.athena.queries.started) == 1

    def test_the_embedded_one(self, install: Install, serve: Serve) -> None:
        partner = serve(refuses=Refusing(5, 77))
        installation = install(partner)
        installation.engine = None
        run_id, status = installation.export({"BATCH_SIZE": "100"}, mode="changed")
        assert status == "PARTIAL"
        sent = sorted([one.row["customer_id"] for one in partner.rows])
        assert sent == [number for number in range(1, 1001) if number not in (5, 77)]
        ((selected,),) = installation.sql("SELECT rows_selected FROM export_runs WHERE id = %s", run_id)
        assert selected == 1000
        again, status = installation.export(mode="changed")
        assert status == "PARTIAL", "what was refused comes again"
        assert installation.sql("SELECT rows_selected, rows_unchanged FROM export_runs WHERE id = %s", again) == [
            (2, 998)
        ]

    @pytest.mark.parametrize(
        "faults",
        [
            [AthenaFault("throttle", None, times=3)],
            [AthenaFault("lost", "StartQueryExecution")],
            [AthenaFault("reset", "StartQueryExecution", times=2)],
            [AthenaFault("error", "GetQueryExecution", times=3)],
            [AthenaFault("error", "GetQueryResults", times=2)],
            [AthenaFault("cut", "GetQueryResults", times=2)],
            [AthenaFault("reset", "GetObject", times=2)],
            [AthenaFault("cut", "GetObject", times=3, at=2000)],
            [AthenaFault("throttle", "GetObject", times=2)],
        ],
        ids=lambda faults: f"{faults[0].kind} {faults[0].api}",
    )
    def test_what_passes_at_aws_costs_nothing(
        self, installation: Installation, serve: Serve, cloud: Cloud, faults: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partner = serve()
        installation.send_to(partner)
        monkeypatch.setattr(installation, "engine", cloud.engine)
        cloud.put(rows(1100))
        run_id = installation.begin()
        cloud.athena.faults = faults
        assert installation.finish(run_id, BATCH_SIZE="100") == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(1100))
        assert cloud.athena.applied
        assert len(cloud.athena.queries.started) == 1

    def test_a_query_that_may_work_is_started_again(
        self, installation: Installation, serve: Serve, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partner = serve()
        installation.send_to(partner)
        monkeypatch.setattr(installation, "engine", cloud.engine)
        cloud.put(rows(30))
        cloud.athena.fail(Failure(), Failure())
        run_id, status = installation.export()
        assert status == "SUCCEEDED"
        assert len(cloud.athena.queries.started) == 3
        installation.assert_true(partner, run_id, rows(30))
        cloud.athena.fail(Failure(), Failure(), Failure())
        run_id, status = installation.export()
        assert status == "FAILED"
        assert installation.assert_true(partner, run_id, rows(30)).error_message == (
            "the query failed: INTERNAL_ERROR_QUERY_ENGINE: the cluster has lost a worker"
        )
        assert installation.retry(run_id) == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(30))

    def test_a_query_that_would_fail_again_is_not_started_again(
        self, installation: Installation, serve: Serve, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partner = serve()
        installation.send_to(partner)
        monkeypatch.setattr(installation, "engine", cloud.engine)
        cloud.put(rows(30))
        cloud.athena.fail(Failure("TYPE_MISMATCH: no", is_retryable=False))
        run_id, status = installation.export()
        assert (status, len(cloud.athena.queries.started)) == ("FAILED", 1)
        assert installation.assert_true(partner, run_id, rows(30)).error_message == (
            "the query failed: TYPE_MISMATCH: no"
        )


FAULTS = {
    "deaf": [Fault("deaf", probability=0.3, times=8)],
    "revoked": [Fault("revoke", requests=[4])],
    "500": [Fault("status", status=500, probability=0.3, times=5)],
    "502 for a while": [Fault("status", status=502, requests=range(3, 12))],
    "408": [Fault("status", status=408, probability=0.3, times=5)],
    "425": [Fault("status", status=425, probability=0.3, times=5)],
    "503 with Retry-After": [Fault("throttle", status=503, seconds=0, requests=[3, 4, 9])],
    "429": [Fault("throttle", seconds=0, probability=0.3, times=5)],
    "429 with a date": [Fault("throttle", seconds=0, form="date", probability=0.3, times=5)],
    "429 without Retry-After": [Fault("throttle", form="none", probability=0.3, times=5)],
    "a page of a proxy": [Fault("html", probability=0.3, times=5)],
    "silence": [Fault("timeout", seconds=0.02, probability=0.3, times=5)],
    "reset": [Fault("reset", probability=0.3, times=5)],
    "lost answers": [Fault("lost", probability=0.4, times=5)],
    "lost without a reset": [Fault("lost", probability=0.4, times=5, resets=False)],
    "broken off": [Fault("truncate", probability=0.3, times=5)],
    "byte by byte": [Fault("drip", probability=0.5)],
    "slow": [Fault("slow", seconds=0.02, probability=0.5)],
    "gzip": [Fault("gzip", probability=0.5)],
    "another body": [Fault("body", text="null", probability=0.5)],
    "token endpoint down": [Fault("status", status=503, path="/oauth", times=3)],
    "token endpoint strange": [Fault("html", status=200, path="/oauth", times=2)],
}


class TestPartner:
    @pytest.mark.parametrize("refusing", [None, BATCH, "results"])
    @pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
    def test_what_passes_costs_nothing(
        self, installation: Installation, serve: Serve, faults: list[Fault], refusing: str | None
    ) -> None:
        if refusing and "body" in {fault.kind for fault in faults}:
            pytest.skip("what was refused is nowhere to be read")
        partner = serve(faults=faults, refuses=Refusing(*([7, 50, 51] if refusing else [])), refusing=refusing or BATCH)
        installation.send_to(partner)
        run_id, status = installation.export({"EXPORT_MAX_RETRIES": "10000"})
        run = installation.assert_true(partner, run_id, rows(95))
        assert (status, run.rows_rejected) == (("PARTIAL", 3) if refusing else ("SUCCEEDED", 0))
        assert partner.applied

    @pytest.mark.parametrize("refusing", [BATCH, *SPELLINGS, MIXED])
    def test_rows_are_refused_in_every_spelling(self, installation: Installation, serve: Serve, refusing: str) -> None:
        bad = [1, 10, 11, 42, 43, 44, 95]
        partner = serve(refuses=Refusing(*bad), refusing=refusing)
        installation.send_to(partner)
        run_id, status = installation.export()
        run = installation.assert_true(partner, run_id, rows(95))
        assert (status, run.rows_rejected, run.error_message) == ("PARTIAL", 7, "7 rows were rejected")
        found = installation.sql("SELECT row_number, reason FROM export_rejects WHERE run_id = %s ORDER BY 1", run_id)
        assert found == [(number, f"customer {number} is not welcome") for number in bad]

    @pytest.mark.parametrize("success", SUCCESSES)
    def test_any_2xx_is_success(self, installation: Installation, serve: Serve, success: str) -> None:
        partner = serve(success=success)
        installation.send_to(partner)
        run_id, status = installation.export()
        assert status == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(95))

    def test_batches_that_are_too_large_are_halved(self, installation: Installation, serve: Serve) -> None:
        partner = serve(max_rows=3)
        installation.send_to(partner)
        run_id, status = installation.export()
        assert status == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(95))
        partner = serve(max_bytes=150)
        installation.send_to(partner)
        run_id, status = installation.export()
        assert status == "PARTIAL"
        installation.assert_true(partner, run_id, rows(95), is_plain=False)

    def test_tokens_do_not_last(self, installation: Installation, serve: Serve) -> None:
        partner = serve(token_uses=2)
        installation.send_to(partner)
        run_id, status = installation.export({"EXPORT_CONCURRENCY": "1"})
        assert status == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(95))

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (Fault("status", status=403, path="/records"), "the partner answered 403: Forbidden"),
            (Fault("status", status=404, path="/records"), "the partner answered 404: Not Found"),
            (Fault("redirect", path="/records"), "the partner answered 307, a redirect, which is not followed"),
            (Fault("unauthorized", path="/records"), "the partner answered 401: The access token is"),
            (Fault("status", status=401, path="/oauth"), "the token endpoint answered 401"),
            (Fault("status", status=500, path="/records"), "the partner answered 500: Internal Server Error"),
            (Fault("reset", path="/records"), "the connection to the partner failed"),
        ],
        ids=lambda value: f"{value.kind} {value.options}" if isinstance(value, Fault) else "",
    )
    @pytest.mark.parametrize("first", [1, 5])
    def test_what_does_not_pass_ends_the_run_and_a_retry_goes_on(
        self, installation: Installation, serve: Serve, fault: Fault, message: str, first: int
    ) -> None:
        first = 1 if fault.path == "/oauth" else first
        partner = serve()
        installation.send_to(partner)
        partner.faults = [Fault(fault.kind, requests=range(first, 100_000), path=fault.path, **fault.options)]
        run_id, status = installation.export()
        run = installation.assert_true(partner, run_id, rows(95))
        assert status == run.status == "FAILED"
        assert (run.error_message or "").startswith(message)
        partner.faults = []
        assert installation.retry(run_id) == "SUCCEEDED", installation.assert_true(partner, run_id, rows(95))
        installation.assert_true(partner, run_id, rows(95))
        assert len(installation.sql("SELECT 1 FROM export_runs WHERE query_attempts > 1")) == 0

    def test_the_budget_of_retries_is_one_of_the_whole_leg(self, installation: Installation, serve: Serve) -> None:
        partner = serve(faults=[Fault("status", status=500, requests=[3, 6, *range(9, 100)])])
        installation.send_to(partner)
        run_id, status = installation.export({"EXPORT_MAX_RETRIES": "4", "EXPORT_CONCURRENCY": "1"})
        run = installation.assert_true(partner, run_id, rows(95))
        assert (status, (run.error_message or "").endswith("and the run has no retries left")) == ("FAILED", True)
        assert len(partner.applied) == 5

    def test_a_partner_that_takes_nothing_at_all_is_not_asked_for_ever(
        self, installation: Installation, serve: Serve
    ) -> None:
        partner = serve(refuses=Refusing(*range(1, 96)))
        installation.send_to(partner)
        one = {"EXPORT_CONCURRENCY": "1"}
        run_id, status = installation.export(one)
        run = installation.assert_true(partner, run_id, rows(95))
        assert (status, run.error_message) == ("FAILED", "the partner has refused each of 50 rows, and taken none")
        partner.records.refuses = Refusing(51)
        assert installation.retry(run_id, **one) == "PARTIAL", "the first one that is refused now is not one too many"
        assert installation.assert_true(partner, run_id, rows(95)).rows_rejected == 1

    def test_a_failure_that_names_no_row_is_told(self, installation: Installation, serve: Serve) -> None:
        partner = serve(faults=[Fault("body", text='{"failed": 1}', requests=[4])])
        installation.send_to(partner)
        run_id, status = installation.export({"EXPORT_CONCURRENCY": "1"})
        run = installation.assert_true(partner, run_id, rows(95))
        assert status == "PARTIAL"
        assert run.error_message == (
            "batch 3: a failure that names no row: refused, as the answer counts, which does not say which row"
        )

    @pytest.mark.parametrize("concurrency", ["1", "4"])
    def test_a_refusal_in_an_answer_that_broke_off_is_asked_for_until_it_is_known(
        self, installation: Installation, serve: Serve, concurrency: str
    ) -> None:
        partner = serve(refuses=Refusing(*range(5, 96, 10)), refusing="errors")
        partner.faults = [
            Fault("truncate", probability=0.5, path="/records"),
            Fault("status", status=500, probability=0.2, path="/records"),
        ]
        installation.send_to(partner)
        run_id, status = installation.export({"EXPORT_MAX_RETRIES": "10000", "EXPORT_CONCURRENCY": concurrency})
        run = installation.assert_true(partner, run_id, rows(95))
        assert status == "FAILED" or run.rows_rejected == 10 or delivery.BROKE_OFF in (run.error_message or "")


class TestLimits:
    @pytest.mark.parametrize("limit", [29, 30, 31])
    @pytest.mark.parametrize("mode", ["full", "changed"])
    @pytest.mark.parametrize("engine", ["recorded", "athena"])
    def test_a_run_that_is_cut_says_so(
        self,
        installation: Installation,
        serve: Serve,
        cloud: Cloud,
        monkeypatch: pytest.MonkeyPatch,
        limit: int,
        mode: str,
        engine: str,
    ) -> None:
        partner = serve()
        installation.send_to(partner)
        if engine == "athena":
            monkeypatch.setattr(installation, "engine", cloud.engine)
            cloud.put(rows(30))
        else:
            installation.recorded.put(rows(30))
        run_id, status = installation.export(limit=limit, mode=mode)
        installation.recorded.put(rows(95))
        run = installation.assert_true(partner, run_id, rows(30), is_cut=limit < 30)
        assert status == "SUCCEEDED"
        found = (run.rows_selected, run.is_truncated, run.rows_available)
        assert found == ((limit, True, 30) if limit < 30 else (30, False, None))

    def test_what_is_cut_by_the_service(self, installation: Installation, serve: Serve) -> None:
        partner = serve()
        installation.send_to(partner)
        run_id, _ = installation.export({"MAX_RECORDS": "94"})
        run = installation.assert_true(partner, run_id, rows(94))
        assert (run.is_truncated, run.rows_available) == (True, 95)

    def test_rows_that_cannot_be_counted_do_not_fail_a_run_that_has_sent_all(
        self, installation: Installation, serve: Serve, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        partner = serve()
        installation.send_to(partner)
        monkeypatch.setattr(installation, "engine", cloud.engine)
        cloud.put(rows(30))
        run_id = installation.begin(limit=20)

        def deny(progress: Any) -> None:
            if progress.stage == "send":
                cloud.athena.faults = [AthenaFault("deny", "StartQueryExecution", times=None)]

        result = installation.work(run_id, report=deny)
        assert result is not None
        run = installation.assert_true(partner, run_id, rows(20))
        assert (result.status, run.is_truncated, run.rows_available) == ("SUCCEEDED", True, None)


def test_two_hundred_batches_and_more(
    installation: Installation, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halves of the last batch of a page are not taken for batches of the next one."""
    monkeypatch.setattr(batch_queries, "PAGE", 3)
    read = batch_queries.open_batches

    def read_late(*arguments: Any) -> Any:
        time.sleep(0.01)  # until what was handed over is halved
        return read(*arguments)

    monkeypatch.setattr(batch_queries, "open_batches", read_late)
    partner = serve(refuses=Refusing(*range(4, 95, 7)))
    installation.send_to(partner)
    for concurrency in ("1", "2", "8"):
        run_id, status = installation.export({"EXPORT_CONCURRENCY": concurrency, "BATCH_SIZE": "2"})
        assert status == "PARTIAL"
        installation.assert_true(partner, run_id, rows(95))
        assert installation.sql("SELECT max(attempts) FROM export_batches WHERE run_id = %s", run_id) == [(1,)]
