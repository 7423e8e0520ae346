"""Runs of mode `changed`: what the partner has is not sent again, and whatever it has not is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from service import deadline, jobs
from service.exports import planning
from service.exports.runs import Busy
from service.exports.watch import Progress
from tests.exports.conftest import Installation
from tests.exports.rows import Record, Refusing, row, rows
from tests.forks import Forks
from tests.partner import Fault, Partner

Install = Callable[..., Installation]
Serve = Callable[..., Partner]

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture(scope="module")
def installed(install: Install) -> Installation:
    return install()


@pytest.fixture
def installation(installed: Installation) -> Installation:
    installed.wait_until_left()
    installed.empty()
    installed.recorded.put(rows(60))
    return installed


@pytest.fixture
def partner(installation: Installation, serve: Serve) -> Partner:
    found = serve()
    installation.send_to(found)
    return found


def changed(*numbers: int, of: list[Record], version: int = 1) -> list[Record]:
    """Return rows of which some have changed."""
    return [row(one["customer_id"], version) if one["customer_id"] in numbers else one for one in of]


def assert_sends(installation: Installation, partner: Partner, expected: list[Record], **how: Any) -> str:
    """Check that a run of changes sends these rows, and all of them; return its id."""
    run_id, status = installation.export(mode="changed", **how)
    assert status == "SUCCEEDED"
    run = installation.assert_true(partner, run_id, expected)
    assert run.rows_sent == len(expected)
    return run_id


def test_all_then_nothing_then_what_has_changed(installation: Installation, partner: Partner) -> None:
    assert_sends(installation, partner, rows(60))
    assert_sends(installation, partner, [])
    installation.recorded.put([*changed(3, 17, 18, 60, of=rows(60)), row(61)])
    assert_sends(installation, partner, [row(3, 1), row(17, 1), row(18, 1), row(60, 1), row(61)])
    assert_sends(installation, partner, [])
    installation.recorded.put([*rows(60), row(61)])
    run_id = assert_sends(installation, partner, [row(3), row(17), row(18), row(60)])
    assert installation.sql("SELECT rows_unchanged FROM export_runs WHERE id = %s", run_id) == [(57,)]


def test_after_a_full_run_there_is_nothing(installation: Installation, partner: Partner) -> None:
    _, status = installation.export()
    assert status == "SUCCEEDED"
    assert_sends(installation, partner, [])


def test_a_full_run_sends_all_once_more(installation: Installation, partner: Partner) -> None:
    assert_sends(installation, partner, rows(60))
    run_id, _ = installation.export()
    assert installation.assert_true(partner, run_id, rows(60)).rows_sent == 60


@pytest.mark.parametrize("refusing", ["batch", "rejected", "keyed"])
def test_what_was_refused_comes_again(installation: Installation, partner: Partner, refusing: str) -> None:
    partner.records.refuses, partner.records.refusing = Refusing(3, 17, 18), refusing
    run_id, status = installation.export(mode="changed")
    assert status == "PARTIAL"
    installation.assert_true(partner, run_id, rows(60))
    run_id, status = installation.export(mode="changed")
    assert status in ("PARTIAL", "FAILED")
    assert installation.assert_true(partner, run_id, [row(3), row(17), row(18)]).rows_rejected == 3
    partner.records.refuses = Refusing()
    assert_sends(installation, partner, [row(3), row(17), row(18)])
    assert_sends(installation, partner, [])


def test_what_a_retry_gets_through_does_not_come_again(installation: Installation, partner: Partner) -> None:
    partner.records.refuses = Refusing(3, 17)
    run_id, _ = installation.export(mode="changed")
    partner.records.refuses = Refusing(17)
    assert installation.retry(run_id) == "PARTIAL"
    partner.records.refuses = Refusing()
    assert_sends(installation, partner, [row(17)])


def test_what_a_refusal_replaces_is_still_what_the_partner_has(installation: Installation, partner: Partner) -> None:
    assert_sends(installation, partner, rows(60))
    partner.records.refuses = Refusing(5)
    installation.recorded.put(changed(5, of=rows(60)))
    _, status = installation.export(mode="changed")
    assert status == "PARTIAL"
    partner.records.refuses = Refusing()
    installation.recorded.put(rows(60))
    assert_sends(installation, partner, [])
    installation.recorded.put(changed(5, of=rows(60)))
    assert_sends(installation, partner, [row(5, 1)])


def test_a_batch_of_which_nobody_knows_what_was_refused_comes_again(
    installation: Installation, partner: Partner
) -> None:
    partner.faults = [Fault("body", text='{"failed": 1}', requests=[3])]
    run_id, status = installation.export({"EXPORT_CONCURRENCY": "1"}, mode="changed")
    assert status == "PARTIAL"
    installation.assert_true(partner, run_id, rows(60))
    partner.faults = []
    assert_sends(installation, partner, rows(60)[10:20])


def test_a_limit_leaves_the_rest_to_the_next_run(installation: Installation, partner: Partner) -> None:
    for first, available in ((0, 60), (25, 35), (50, None)):
        run_id, status = installation.export(mode="changed", limit=25)
        assert status == "SUCCEEDED"
        run = installation.assert_true(partner, run_id, rows(60)[first : first + 25])
        assert (run.is_truncated, run.rows_available) == (available is not None, available)
        assert run.rows_unchanged == first
    assert_sends(installation, partner, [])


def test_rows_of_one_key_are_all_sent(installation: Installation, partner: Partner) -> None:
    twice = [row(1), row(2), row(1, 1), row(3), row(1, 2)]
    installation.recorded.put(twice)
    assert_sends(installation, partner, twice)
    run_id, _ = installation.export(mode="changed")
    assert installation.assert_true(partner, run_id, twice, is_cut=True).rows_unchanged == 3


def test_a_key_of_which_one_row_is_left(installation: Installation, partner: Partner) -> None:
    installation.recorded.put([row(1), row(2), row(1, 1)])
    assert_sends(installation, partner, [row(1), row(2), row(1, 1)])
    installation.recorded.put([row(2), row(1, 1)])
    assert_sends(installation, partner, [])


def test_another_partner_has_nothing_yet(installation: Installation, partner: Partner, serve: Serve) -> None:
    assert_sends(installation, partner, rows(60))
    other = serve()
    installation.send_to(other)
    assert_sends(installation, other, rows(60))
    installation.send_to(partner)
    assert_sends(installation, partner, [])


def test_columns_that_were_not_sent_are_changes(installation: Installation, partner: Partner) -> None:
    run_id, status = installation.export(mode="changed", columns=["customer_id", "name"])
    assert status == "SUCCEEDED"
    few = [{name: one[name] for name in ("customer_id", "name")} for one in rows(60)]
    installation.assert_true(partner, run_id, few)
    assert_sends(installation, partner, rows(60))


@pytest.mark.parametrize("what", ["cut", "crash"])
@pytest.mark.parametrize("stage", ["plan", "send"])
def test_one_that_was_interrupted_sends_the_same_batches(
    installation: Installation,
    partner: Partner,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    what: str,
) -> None:
    """Between its legs a run of mode full sends all that there is: its batches stay what they are."""
    monkeypatch.setattr(planning, "COMPARED_AT_ONCE", 7)
    monkeypatch.setattr(planning, "STORED_AT_ONCE", 2)
    installation.recorded.put(rows(30))
    assert_sends(installation, partner, rows(30))
    new = changed(*range(2, 60, 3), of=rows(60))
    expected = [one for one in new if one not in rows(30)]
    installation.recorded.put(new)
    run_id = installation.begin({"BATCH_SIZE": "3"}, mode="changed")
    left = 3

    def report(progress: Progress) -> None:
        nonlocal left
        left -= progress.stage == stage
        if left == 0 and what == "crash":
            raise RuntimeError
        found = deadline.current()
        if left == 0 and found:
            found.cut(60)

    try:
        result = installation.work(run_id, report=report, EXPORT_CONCURRENCY="1")
        assert result is not None
        assert result.status == "CONTINUES"
    except RuntimeError:
        assert what == "crash"
    before = installation.assert_true(partner, run_id, expected, is_cut=stage == "plan")
    assert before.is_planned == (stage == "send")
    if stage == "send":
        full, _ = installation.export()
        installation.assert_true(partner, full, new)
    assert installation.finish(run_id) == "SUCCEEDED"
    installation.assert_true(partner, run_id, expected)
    assert_sends(installation, partner, [])


def test_a_killed_one_goes_on(installation: Installation, partner: Partner, forks: Forks) -> None:
    installation.recorded.put(rows(30))
    assert_sends(installation, partner, rows(30))
    installation.recorded.put(changed(*range(1, 30, 2), of=rows(60)))
    expected = [one for one in changed(*range(1, 30, 2), of=rows(60)) if one not in rows(30)]
    run_id = installation.begin(mode="changed")
    order = {"environ": installation.environ, "lake": installation.lake, "run": run_id}
    for at in (("transaction", 1), ("request", 3), ("response", 2)):
        assert forks.run(**order, at=at) is None
        installation.wait_until_left()
        installation.assert_true(partner, run_id, expected)
    assert installation.finish(run_id) == "SUCCEEDED"
    installation.assert_true(partner, run_id, expected)
    assert_sends(installation, partner, [])


class TestOneAtATime:
    """What a partner has is known by what was sent: two runs that compare with it at once would both send."""

    def test_another_one_is_busy(self, installation: Installation, partner: Partner, serve: Serve) -> None:
        run_id = installation.begin(mode="changed")
        with pytest.raises(Busy) as busy:
            installation.begin(mode="changed")
        assert busy.value.run_id == run_id
        full, status = installation.export()
        assert status == "SUCCEEDED"
        installation.assert_true(partner, full, rows(60))
        installation.send_to(serve())
        installation.begin(mode="changed")  # with another partner
        installation.send_to(partner)
        assert installation.finish(run_id) == "SUCCEEDED"
        assert_sends(installation, partner, [])

    def test_of_those_that_start_together_one_compares(
        self, installation: Installation, partner: Partner, forks: Forks
    ) -> None:
        partner.latency = 0.05
        order = {"environ": installation.environ, "lake": installation.lake, "request": {"mode": "changed"}}
        together = [forks.start(**order) for _ in range(4)]
        answers = [each.wait() or {} for each in together]
        statuses = [answer["status"] for answer in answers]
        assert set(statuses) == {"BUSY", "SUCCEEDED"}
        assert sum(len(one.row) > 0 for one in partner.rows) == 60
        for answer in answers:
            if answer["status"] == "SUCCEEDED":
                installation.assert_true(partner, answer["run"], rows(60), is_cut=True)

    def test_a_run_that_failed_is_busy_while_another_one_compares(
        self, installation: Installation, partner: Partner
    ) -> None:
        partner.faults = [Fault("status", status=403, requests=range(4, 1000), path="/records")]
        failed, status = installation.export(mode="changed")
        assert status == "FAILED"
        partner.faults = []
        run_id = installation.begin(mode="changed")
        with pytest.raises(Busy):
            installation.reopen(failed)
        with pytest.raises(Busy):
            installation.work(failed)
        with installation.app():
            answer = jobs.run("export", {"run": failed})
            assert answer["status"] == "BUSY"
        assert installation.finish(run_id) == "SUCCEEDED"
        assert installation.retry(failed) == "SUCCEEDED"
        installation.assert_true(partner, failed, rows(60))

    def test_a_job_comes_back_later_and_goes_on_with_what_is_in_its_way(
        self, installation: Installation, partner: Partner
    ) -> None:
        run_id = installation.begin(mode="changed")
        with installation.app():
            asked = {"table": "test_customers_silver", "mode": "changed", "event": "e1"}
            assert jobs.run("export", asked)["status"] == "BUSY"
            waiting = installation.sql("SELECT arguments FROM jobs ORDER BY run_at")
            assert waiting == [({"run": run_id},), (asked,)]
            assert jobs.run("export", {"run": run_id})["status"] == "SUCCEEDED"
            answer = jobs.run("export", asked)
            assert answer["status"] == "SUCCEEDED"
            assert jobs.run("export", asked) == {"status": "ENDED", "run": answer["run"]}
        installation.assert_true(partner, run_id, rows(60))


def test_folding_beside_a_run(installation: Installation, partner: Partner) -> None:
    """Whoever folds and whoever settles do not disturb each other, and nothing is folded twice or forgotten."""
    partner.latency = 0.003
    is_over = threading.Event()
    failures: list[BaseException] = []

    def fold() -> None:
        with installation.app() as app:
            database = app.extensions["database"]
            try:
                while not is_over.is_set():
                    database.statement(
                        lambda cursor: cursor.execute(
                            "SELECT export_fold(table_name, destination, 2) FROM export_runs LIMIT 1"
                        )
                    )
            except BaseException as error:
                failures.append(error)

    folding = [threading.Thread(target=fold) for _ in range(3)]
    for each in folding:
        each.start()
    try:
        run_id, status = installation.export({"BATCH_SIZE": "2"})
        installation.recorded.put(changed(*range(1, 61), of=rows(60)))
        second, again = installation.export({"BATCH_SIZE": "2"})
    finally:
        is_over.set()
        for each in folding:
            each.join()
    assert (status, again, failures) == ("SUCCEEDED", "SUCCEEDED", [])
    installation.assert_true(partner, run_id, rows(60))
    installation.assert_true(partner, second, changed(*range(1, 61), of=rows(60)))
    assert_sends(installation, partner, [])
    assert installation.sql("SELECT count(*) FROM export_fingerprints") == [(60,)]
    assert installation.sql("SELECT 1 FROM export_batches WHERE accepted IS NOT NULL") == []
