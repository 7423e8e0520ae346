"""What did not get through is sent once more: what is unknown under its keys, what was refused under new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.errors import Conflict, NotFound
from service.exports.watch import Progress
from tests.exports.conftest import Installation
from tests.exports.rows import Refusing, rows
from tests.forks import Forks
from tests.partner import Fault, Partner
from tests.partner.spellings import BATCH

Install = Callable[..., Installation]
Serve = Callable[..., Partner]

pytestmark = pytest.mark.usefixtures("hasty")

BAD = (3, 17, 18, 44, 95)


@pytest.fixture(scope="module")
def installed(install: Install) -> Installation:
    return install(None, rows(95))


@pytest.fixture
def installation(installed: Installation) -> Installation:
    installed.wait_until_left()
    installed.empty()
    return installed


@pytest.fixture
def partner(installation: Installation, serve: Serve) -> Partner:
    found = serve(refuses=Refusing(*BAD))
    installation.send_to(found)
    return found


def keys(partner: Partner) -> list[str]:
    """Return the keys of all batches that came, without their runs."""
    found = [request.headers.get("idempotency-key", "") for request in partner.requests]
    return [key[37:] for key in found if key]


class TestFailed:
    @pytest.mark.parametrize("fault", ["status", "lost", "reset"])
    def test_what_is_unknown_is_sent_under_its_keys(
        self, installation: Installation, partner: Partner, fault: str
    ) -> None:
        partner.records.refuses = Refusing()
        partner.faults = [Fault(fault, requests=range(5, 10_000))]
        run_id, status = installation.export()
        run = installation.assert_true(partner, run_id, rows(95))
        assert (status, run.rows_sent < 95) == ("FAILED", True)
        partner.faults = []
        assert installation.retry(run_id) == "SUCCEEDED"
        run = installation.assert_true(partner, run_id, rows(95))
        assert run.rows_sent == 95
        assert set(keys(partner)) == {str(number) for number in range(1, 11)}

    def test_what_was_refused_and_what_is_left(self, installation: Installation, partner: Partner) -> None:
        partner.faults = [Fault("status", status=403, requests=range(15, 10_000), path="/records")]
        run_id, status = installation.export({"EXPORT_CONCURRENCY": "1"})
        run = installation.assert_true(partner, run_id, rows(95))
        assert status == "FAILED"
        assert 0 < run.rows_rejected < 5
        partner.faults = []
        partner.records.refuses = Refusing(44)
        assert installation.retry(run_id) == "PARTIAL"
        run = installation.assert_true(partner, run_id, rows(95))
        assert (run.rows_sent, run.rows_rejected) == (94, 1)

    def test_a_job_that_comes_again_goes_on_by_itself(self, installation: Installation, partner: Partner) -> None:
        partner.faults = [Fault("status", status=403, requests=range(15, 10_000), path="/records")]
        run_id, status = installation.export()
        assert status == "FAILED"
        partner.faults = []
        assert installation.finish(run_id) == "PARTIAL"
        assert installation.assert_true(partner, run_id, rows(95)).rows_rejected == 5


class TestPartial:
    @pytest.mark.parametrize("refusing", [BATCH, "errors", "keyed"])
    def test_only_the_rejects_go_out_under_new_keys(
        self, installation: Installation, partner: Partner, refusing: str
    ) -> None:
        partner.records.refusing = refusing
        run_id, status = installation.export()
        assert status == "PARTIAL"
        before = keys(partner)
        partner.records.refuses = Refusing()
        assert installation.retry(run_id) == "SUCCEEDED"
        assert keys(partner)[len(before) :] == ["11"]
        assert "11" not in before
        run = installation.assert_true(partner, run_id, rows(95))
        assert (run.rows_sent, run.rows_rejected, run.error_message) == (95, 0, None)
        found = installation.sql("SELECT attempts, sent_at IS NOT NULL, batch_number <= 10 FROM export_rejects")
        assert found == [(1, True, True)] * 5

    @pytest.mark.parametrize("refusing", [BATCH, "errors"])
    def test_what_is_refused_again_counts_its_attempts(
        self, installation: Installation, partner: Partner, refusing: str
    ) -> None:
        partner.records.refusing = refusing
        run_id, _ = installation.export({"BATCH_SIZE": "2"})
        for attempts in (2, 3):
            partner.records.refuses = Refusing(3, 44)
            assert installation.retry(run_id, BATCH_SIZE="2") == "PARTIAL"
            run = installation.assert_true(partner, run_id, rows(95))
            assert (run.rows_sent, run.rows_rejected) == (93, 2)
            found = installation.sql("SELECT row_number, attempts FROM export_rejects WHERE sent_at IS NULL ORDER BY 1")
            assert found == [(3, attempts), (44, attempts)]
        partner.records.refuses = Refusing()
        assert installation.retry(run_id) == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(95))

    def test_another_reason_replaces_the_first(self, installation: Installation, partner: Partner) -> None:
        run_id, _ = installation.export()
        partner.records.refuses = lambda row: "another reason" if row["customer_id"] == 17 else None
        assert installation.retry(run_id) == "PARTIAL"
        installation.assert_true(partner, run_id, rows(95))
        assert installation.sql("SELECT reason FROM export_rejects WHERE sent_at IS NULL") == [("another reason",)]

    def test_a_note_alone_is_nothing_to_send_again(self, installation: Installation, partner: Partner) -> None:
        partner.records.refuses = Refusing()
        partner.faults = [Fault("body", text='{"failed": 1}', requests=[4])]
        run_id, status = installation.export()
        assert status == "PARTIAL"
        with pytest.raises(Conflict, match="Nothing is left"):
            installation.reopen(run_id)
        assert installation.assert_true(partner, run_id, rows(95)).status == "PARTIAL"


class TestCancelled:
    def test_the_rest_is_sent(self, installation: Installation, partner: Partner) -> None:
        run_id = installation.begin()

        def report(progress: Progress) -> None:
            if progress.stage == "send" and progress.rows > 30:
                with installation.app() as app:
                    app.extensions["database"].statement(
                        lambda cursor: cursor.execute("UPDATE export_runs SET cancel_requested_at = clock_timestamp()")
                    )

        result = installation.work(run_id, report=report, EXPORT_CONCURRENCY="1")
        assert result is not None
        run = installation.assert_true(partner, run_id, rows(95))
        assert result.status == run.status == "CANCELLED"
        assert 0 < run.rows_sent < 95
        assert installation.work(run_id) is None
        assert installation.retry(run_id) == "PARTIAL"
        assert installation.assert_true(partner, run_id, rows(95)).rows_sent == 90

    def test_one_that_never_began(self, installation: Installation, partner: Partner) -> None:
        run_id = installation.begin()
        installation.cancel(run_id)
        assert installation.assert_true(partner, run_id, rows(95)).status == "CANCELLED"
        assert installation.retry(run_id) == "PARTIAL"
        installation.assert_true(partner, run_id, rows(95))


class TestInTheMiddle:
    """A retry that is itself cut off: what it was about to send again is sent under its second key, not a third."""

    @pytest.mark.parametrize("refusing", [BATCH, "errors"])
    @pytest.mark.parametrize("fault", ["status", "lost"])
    def test_it_fails(self, installation: Installation, partner: Partner, fault: str, refusing: str) -> None:
        partner.records.refusing = refusing
        run_id, _ = installation.export({"BATCH_SIZE": "2"})
        partner.records.refuses = Refusing(44)
        partner.faults = [Fault(fault, requests=range(3, 10_000))]
        assert installation.retry(run_id, BATCH_SIZE="2") == "FAILED"
        installation.assert_true(partner, run_id, rows(95))
        partner.faults = []
        assert installation.retry(run_id, BATCH_SIZE="2") == "PARTIAL"
        run = installation.assert_true(partner, run_id, rows(95))
        assert (run.rows_sent, run.rows_rejected) == (94, 1)

    @pytest.mark.parametrize(
        "at",
        [("statement", 4), ("transaction", 1), ("request", 2), ("request", 3), ("response", 2), ("sent", 14)],
        ids=str,
    )
    def test_it_is_killed(
        self, installation: Installation, partner: Partner, forks: Forks, at: tuple[str, int]
    ) -> None:
        run_id, _ = installation.export({"BATCH_SIZE": "2"})
        partner.records.refuses = Refusing(44)
        environ = installation.environ | {"BATCH_SIZE": "2"}
        forks.run(environ=environ, lake=installation.lake, retry=run_id, at=at)
        installation.wait_until_left()
        run = installation.assert_true(partner, run_id, rows(95))
        if run.status == "PARTIAL":  # it had not begun
            installation.reopen(run_id, BATCH_SIZE="2")
        assert installation.finish(run_id) == "PARTIAL"
        run = installation.assert_true(partner, run_id, rows(95))
        assert (run.rows_sent, run.rows_rejected) == (94, 1)

    def test_it_is_asked_for_twice(self, installation: Installation, partner: Partner) -> None:
        run_id, _ = installation.export()
        installation.reopen(run_id)
        with pytest.raises(Conflict, match="The run is not over"):
            installation.reopen(run_id)
        partner.records.refuses = Refusing()
        assert installation.finish(run_id) == "SUCCEEDED"
        installation.assert_true(partner, run_id, rows(95))

    def test_it_is_cancelled_and_asked_for_again(self, installation: Installation, partner: Partner) -> None:
        run_id, _ = installation.export()
        installation.reopen(run_id)
        installation.cancel(run_id)
        installation.assert_true(partner, run_id, rows(95))
        partner.records.refuses = Refusing()
        assert installation.retry(run_id) == "SUCCEEDED"
        run = installation.assert_true(partner, run_id, rows(95))
        assert run.rows_sent == 95
        assert installation.sql("SELECT count(*) FROM export_batches WHERE reject_ids IS NOT NULL") == [(1,)]


def test_what_got_through_is_not_sent_again(installation: Installation, partner: Partner) -> None:
    partner.records.refuses = Refusing()
    run_id, status = installation.export()
    assert status == "SUCCEEDED"
    with pytest.raises(Conflict, match="Every row got through"):
        installation.reopen(run_id)
    assert installation.work(run_id) is None
    assert installation.assert_true(partner, run_id, rows(95)).status == "SUCCEEDED"


def test_there_is_no_such_run(installation: Installation, partner: Partner) -> None:
    for work in (installation.reopen, installation.cancel):
        with pytest.raises(NotFound):
            work("01a00000-0000-7000-8000-000000000000")


def test_a_retry_is_queued(installation: Installation, partner: Partner) -> None:
    run_id, _ = installation.export()
    with installation.app() as app:
        app.extensions["exports"].retry(run_id)
    found: list[Any] = installation.sql("SELECT name, arguments FROM jobs")
    assert found == [("export", {"run": run_id})]
    installation.assert_true(partner, run_id, rows(95))
