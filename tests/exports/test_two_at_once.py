"""Several processes want to work on one run: one does. One that died, hangs or lost its lock is followed by another."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.database import holding
from service.errors import ServiceUnavailable
from service.exports.runs import Busy
from tests.exports.conftest import Installation
from tests.exports.rows import Refusing, rows
from tests.forks import Forks, Runner
from tests.jobs.conftest import wait_for
from tests.partner import Partner

Install = Callable[..., Installation]

QUICK = {"SILENT_SECONDS": 1.0, "BEAT_SECONDS": 0.2}
CONSTANTS = {f"service.database.holding.{name}": value for name, value in QUICK.items()}
BAD = (4, 38, 77)
END_GUARDS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
AT_WORK = """
SELECT 1 FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
BOOK = """
SELECT to_jsonb(t) - 'heartbeat_at' FROM export_runs AS t
UNION ALL SELECT to_jsonb(t) FROM export_batches AS t
UNION ALL SELECT to_jsonb(t) FROM export_rejects AS t
ORDER BY 1
"""


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    with Partner(refuses=Refusing(*BAD)) as it:
        yield it


@pytest.fixture(scope="module")
def installed(install: Install, partner: Partner) -> Installation:
    return install(partner, rows(120), EXPORT_CONCURRENCY="2", DEADLINE_SECONDS="1.5")


@pytest.fixture
def installation(installed: Installation, partner: Partner, forks: Forks) -> Iterator[Installation]:
    installed.wait_until_left()
    installed.empty()
    yield installed
    partner.latency = 0.0


def order_of(installation: Installation, run_id: str, **more: Any) -> dict[str, Any]:
    return {"environ": installation.environ, "lake": installation.lake, "run": run_id, **more}


def soon(installation: Installation, run_id: str, seconds: float = 15) -> str:
    """Go on with a run as soon as that is possible; return how it ended."""

    def try_it() -> str | None:
        try:
            result = installation.work(run_id)
        except (Busy, ServiceUnavailable):
            return None
        return result.status if result else "ENDED"

    status: str = wait_for(try_it, "the run can go on", seconds)
    return status


def book(installation: Installation) -> list[Any]:
    """Return all that is noted, when the server has done what those who hang by now have asked for."""
    wait_for(lambda: not installation.sql(AT_WORK), "the server has nothing to do")
    return installation.sql(BOOK)


@pytest.mark.parametrize("count", [2, 6])
def test_of_those_that_start_together_one_works(
    installation: Installation, partner: Partner, forks: Forks, count: int
) -> None:
    partner.latency = 0.05
    run_id = installation.begin()
    together = [forks.start(**order_of(installation, run_id)) for _ in range(count)]
    answers = [each.wait() or {} for each in together]
    assert sorted(answer["status"] for answer in answers) == ["BUSY"] * (count - 1) + ["PARTIAL"]
    assert {answer["run"] for answer in answers} == {run_id}
    assert installation.assert_true(partner, run_id, rows(120)).legs == 1


def test_who_comes_later_finds_that_it_has_ended(installation: Installation, partner: Partner, forks: Forks) -> None:
    run_id, _ = installation.export()
    assert (forks.run(**order_of(installation, run_id)) or {})["status"] == "ENDED"
    installation.assert_true(partner, run_id, rows(120))


def test_two_runs_of_one_table_go_side_by_side(installation: Installation, partner: Partner, forks: Forks) -> None:
    partner.latency = 0.02
    runs = [installation.begin(), installation.begin(), installation.begin(mode="changed")]
    together = [forks.start(**order_of(installation, run_id)) for run_id in runs]
    assert [(each.wait() or {})["status"] for each in together] == ["PARTIAL"] * 3
    for run_id in runs:
        installation.assert_true(partner, run_id, rows(120), is_cut=run_id == runs[2])


class TestFrozen:
    """A process hangs for so long that another one takes its run over; then it wakes up, and writes nothing."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in QUICK.items():
            monkeypatch.setattr(holding, name, value)

    def freeze(self, installation: Installation, forks: Forks, run_id: str, at: tuple[str, int]) -> Runner:
        """Start a process, again while it cannot have the run yet, and wait until it hangs."""

        def start() -> Runner | None:
            frozen = forks.start(**order_of(installation, run_id, at=at, signal=signal.SIGSTOP, constants=CONSTANTS))
            wait_for(lambda: frozen.is_frozen or frozen.has_ended, "it hangs or has ended")
            return frozen if frozen.is_frozen else None

        found: Runner = wait_for(start, "it hangs")
        return found

    def test_one_that_hangs_for_a_moment_keeps_its_run(
        self, installation: Installation, partner: Partner, forks: Forks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(holding, "SILENT_SECONDS", 60.0)
        run_id = installation.begin()
        frozen = self.freeze(installation, forks, run_id, ("request", 5))
        with pytest.raises(Busy, match=run_id):
            installation.work(run_id)
        frozen.give(signal.SIGCONT)
        assert (frozen.wait() or {})["status"] == "PARTIAL"
        installation.assert_true(partner, run_id, rows(120))

    def test_one_that_waits_for_the_partner_is_alive(
        self, installation: Installation, partner: Partner, forks: Forks
    ) -> None:
        partner.latency = 2.0
        run_id = installation.begin()
        waiting = forks.start(**order_of(installation, run_id, constants=CONSTANTS))
        wait_for(lambda: installation.sql("SELECT 1 FROM export_batches WHERE state = 'sending'"), "it sends")
        time.sleep(QUICK["SILENT_SECONDS"] + 0.3)
        with pytest.raises(Busy, match=run_id):
            installation.work(run_id)
        partner.latency = 0
        assert (waiting.wait() or {})["status"] == "PARTIAL"
        installation.assert_true(partner, run_id, rows(120))

    @pytest.mark.parametrize(
        "at",
        [
            ("told", 1),
            ("transaction", 1),
            ("request", 4),
            ("response", 4),
            ("transaction", 3),
            ("sent", 26),
            ("answered", 24),
            ("statement", 30),
        ],
        ids=lambda at: f"{at[0]} {at[1]}",
    )
    def test_it_is_taken_over_and_writes_nothing_more(
        self, installation: Installation, partner: Partner, forks: Forks, at: tuple[str, int]
    ) -> None:
        run_id = installation.begin()
        frozen = self.freeze(installation, forks, run_id, at)
        installation.assert_true(partner, run_id, rows(120))
        assert soon(installation, run_id) == "PARTIAL"
        installation.assert_true(partner, run_id, rows(120))
        before = book(installation)
        frozen.give(signal.SIGCONT)
        answer = frozen.wait() or {}
        assert (answer.get("status") or answer["error"]) in ("FAILED", "ConnectionLost"), answer
        assert book(installation) == before
        run = installation.assert_true(partner, run_id, rows(120))
        assert (run.status, run.legs) == ("PARTIAL", 2)

    @pytest.mark.parametrize("at", [("request", 4), ("transaction", 3), ("answered", 24)], ids=str)
    def test_it_wakes_up_while_the_next_leg_is_at_work(
        self, installation: Installation, partner: Partner, forks: Forks, at: tuple[str, int]
    ) -> None:
        run_id = installation.begin()
        first = self.freeze(installation, forks, run_id, at)
        second = self.freeze(installation, forks, run_id, ("request", 4))
        before = book(installation)
        first.give(signal.SIGCONT)
        answer = first.wait() or {}
        assert (answer.get("status") or answer["error"]) in ("FAILED", "ConnectionLost"), answer
        assert book(installation) == before
        installation.assert_true(partner, run_id, rows(120))
        second.give(signal.SIGCONT)
        assert (second.wait() or {})["status"] == "PARTIAL"
        installation.assert_true(partner, run_id, rows(120))


def test_a_run_whose_lock_is_lost_ends_and_says_so(installation: Installation, partner: Partner, forks: Forks) -> None:
    partner.latency = 0.1
    run_id = installation.begin()
    losing = forks.start(**order_of(installation, run_id, constants=CONSTANTS))
    wait_for(lambda: installation.sql("SELECT 1 FROM export_batches WHERE state = 'sending'"), "it sends")
    assert installation.sql(END_GUARDS) == [(True,)]
    answer = losing.wait() or {}
    message = "the lock was lost; another leg goes on from here"
    assert (answer["status"], answer["message"]) == ("FAILED", message)
    assert installation.assert_true(partner, run_id, rows(120)).error_message == message
    assert soon(installation, run_id, 2) == "PARTIAL"
    installation.assert_true(partner, run_id, rows(120))


@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_database_is_lost_in_the_middle(
    installation: Installation, partner: Partner, forks: Forks, number: int
) -> None:
    """Every connection breaks at once, again and again."""
    partner.latency = 0.01
    run_id = installation.begin()
    running = forks.start(**order_of(installation, run_id, constants=CONSTANTS))
    for _ in range(number):
        wait_for(lambda: installation.sql("SELECT 1 FROM export_batches WHERE state = 'sending'"), "it sends")
        installation.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        time.sleep(0.02)
    answer = running.wait() or {}
    assert (answer.get("status") or answer["error"]) in ("FAILED", "ConnectionLost", "ServiceUnavailable"), answer
    installation.wait_until_left()
    installation.assert_true(partner, run_id, rows(120))
    assert soon(installation, run_id) == "PARTIAL"
    installation.assert_true(partner, run_id, rows(120))
