"""A run that is killed at any point loses no row and doubles none: the next process sends the same by the same keys."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.exports.selection.request import request_of
from tests.exports.conftest import Cloud, Installation
from tests.exports.rows import TABLE, Refusing, rows
from tests.forks import Forks
from tests.ingestion.proxy import Proxy
from tests.partner import Partner

Install = Callable[..., Installation]

BAD = (4, 5, 38, 77, 120)
PLACES = {
    "statement": 5,
    "sent": 8,
    "answered": 5,
    "transaction": 5,
    "request": 6,
    "response": 6,
    "asked": 2,
    "told": 2,
}
POINTS = [(kind, (place + 0.5) / count) for kind, count in PLACES.items() for place in range(count)]
CASES = [(point, "batch") for point in POINTS] + [
    ((kind, (place + 0.5) / 4), "rejected") for kind in ("answered", "request", "response") for place in range(4)
]


def name_of(case: Any) -> str:
    (kind, share), refusing = case
    return f"{kind} at {share:.0%}, {refusing}"


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    with Partner(refuses=Refusing(*BAD)) as it:
        yield it


@pytest.fixture(scope="module")
def installed(install: Install, partner: Partner) -> Installation:
    return install(partner, rows(120), EXPORT_CONCURRENCY="2")


@pytest.fixture(scope="module")
def whole(installed: Installation, _forks: Forks) -> dict[str, int]:
    """The steps of a leg that nothing befalls."""
    answer = _forks.run(environ=installed.environ, lake=installed.lake, run=installed.begin())
    assert answer is not None
    assert answer["status"] == "PARTIAL"
    steps: dict[str, int] = answer["steps"]
    return steps


@pytest.fixture
def installation(installed: Installation, whole: dict[str, int], partner: Partner) -> Iterator[Installation]:
    installed.wait_until_left()
    installed.empty()
    yield installed
    partner.faults = []
    partner.latency = 0.0
    partner.records.refusing = "batch"


def assert_goes_on(installation: Installation, partner: Partner, run_id: str) -> None:
    """Check a run whose process was killed; then let another process end it, and check it again."""
    installation.wait_until_left()
    run = installation.assert_true(partner, run_id, rows(120))
    assert run.status in ("RUNNING", "CONTINUES", "PARTIAL")
    if run.status != "PARTIAL":
        assert installation.finish(run_id) == "PARTIAL"
    run = installation.assert_true(partner, run_id, rows(120))
    assert (run.rows_sent, run.rows_rejected) == (115, 5)


def queries_of(installation: Installation) -> int:
    started = len(installation.recorded.started)
    ((runs,),) = installation.sql("SELECT count(DISTINCT query_id) FROM export_runs")
    assert started >= runs
    return started


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_another_process_goes_on(
    installation: Installation,
    partner: Partner,
    forks: Forks,
    whole: dict[str, int],
    case: tuple[tuple[str, float], str],
) -> None:
    (kind, share), refusing = case
    partner.records.refusing = refusing
    before = queries_of(installation)
    run_id = installation.begin()
    forks.run(environ=installation.environ, lake=installation.lake, run=run_id, at=(kind, 1 + int(share * whole[kind])))
    assert_goes_on(installation, partner, run_id)
    assert queries_of(installation) == before + 1, "the query is not run again"


@pytest.mark.parametrize("mode", ["full", "changed"])
def test_a_kill_while_it_is_asked_for(
    installation: Installation, partner: Partner, forks: Forks, whole: dict[str, int], mode: str
) -> None:
    for number in range(1, 6):
        installation.empty()
        order = {"environ": installation.environ, "lake": installation.lake, "request": {"mode": mode}}
        assert forks.run(**order, at=("sent", number)) is None
        installation.wait_until_left()
        found = [run_id for (run_id,) in installation.sql("SELECT id::text FROM export_runs")]
        assert len(found) <= 1
        for run_id in found or [installation.begin(mode=mode)]:
            assert_goes_on(installation, partner, run_id)


@pytest.mark.parametrize("mode", ["full", "changed"])
def test_a_kill_at_any_time(installation: Installation, partner: Partner, forks: Forks, mode: str) -> None:
    draw = random.Random(mode)
    partner.latency = 0.005
    for _ in range(6):
        installation.empty()
        run_id = installation.begin(mode=mode)
        running = forks.start(environ=installation.environ, lake=installation.lake, run=run_id)
        time.sleep(draw.uniform(0.02, 0.5))
        running.give(signal.SIGKILL)
        running.wait()
        assert_goes_on(installation, partner, run_id)


STEPS = [("sent", 5), ("sent", 8), ("request", 2), ("request", 4), ("response", 1), ("response", 2)]


@pytest.mark.parametrize("refusing", ["batch", "mixed"])
def test_one_crash_after_the_other(
    installation: Installation, partner: Partner, forks: Forks, whole: dict[str, int], refusing: str
) -> None:
    partner.records.refusing = refusing
    run_id = installation.begin()
    draw = random.Random(refusing)
    order = {"environ": installation.environ, "lake": installation.lake, "run": run_id}
    deaths = 0  # at the first steps of each leg
    while deaths < 10 and forks.run(**order, at=draw.choice(STEPS)) is None:
        installation.wait_until_left()
        installation.assert_true(partner, run_id, rows(120))
        deaths += 1
    assert deaths >= 5
    assert_goes_on(installation, partner, run_id)
    assert installation.sql("SELECT legs > 5 FROM export_runs WHERE id = %s", run_id) == [(True,)]


@pytest.mark.parametrize("at", [("asked", 1), ("told", 1), ("told", 2)], ids=str)
def test_athena_runs_one_query_for_all(
    installation: Installation,
    partner: Partner,
    forks: Forks,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    at: tuple[str, int],
) -> None:
    cloud.put(rows(120))
    monkeypatch.setattr(installation, "engine", cloud.engine)
    environ = installation.environ | cloud.athena.environ
    run_id = installation.begin()
    order = {"environ": environ, "aws": cloud.athena.environ, "run": run_id}
    assert forks.run(**order, at=at) is None
    assert len(cloud.athena.queries.started) == (at != ("asked", 1))
    assert_goes_on(installation, partner, run_id)
    assert len(cloud.athena.queries.started) == 1


@pytest.mark.slow
def test_the_worker_is_killed(install: Install, partner: Partner, forks: Forks) -> None:
    installation = install(partner, rows(120), JOB_SECONDS="20", JOB_LEASE_SECONDS="1.5", JOB_RETRY_SECONDS="0")
    for at in (("sent", 12), ("request", 5), ("response", 9)):
        installation.empty()
        with installation.app() as app:
            exports = app.extensions["exports"]
            run_id = exports.begin(request_of({"table": TABLE}), "request")
        order = {"environ": installation.environ, "lake": installation.lake}
        assert forks.run(**order, at=at) is None
        installation.wait_until_left()
        installation.assert_true(partner, run_id, rows(120))
        assert forks.run(**order) is not None
        assert installation.sql("SELECT * FROM jobs") == []
        run = installation.assert_true(partner, run_id, rows(120))
        assert run.status == "PARTIAL"
        assert run.legs >= 2 - (at == ("sent", 12))


def test_an_answer_to_a_commit_that_never_came(installation: Installation, partner: Partner, forks: Forks) -> None:
    """The server has committed; whoever asked for it sees a connection that broke."""
    with Proxy(installation.sql("SELECT inet_server_port()")[0][0]) as proxy:
        environ = installation.environ | {"DATABASE_URL": proxy.url(installation.url)}
        for number in range(1, 16, 2):
            installation.empty()
            run_id = installation.begin()
            proxy.cut_after(b"COMMIT", number)
            answer = forks.run(environ=environ, lake=installation.lake, run=run_id)
            assert proxy.has_cut, number
            assert answer is not None
            installation.wait_until_left()
            run = installation.assert_true(partner, run_id, rows(120))
            assert run.status in ("FAILED", "RUNNING")
            assert installation.finish(run_id) == "PARTIAL"
            installation.assert_true(partner, run_id, rows(120))


ENDINGS = {
    "a run is stored": b"ON CONFLICT (trigger_key) DO NOTHING\n        ",
    "a leg begins": b"rows_unchanged, rows_selected\n        ",
    "the query is begun": b"RETURNING query_attempts\n        ",
    "batches are begun": b"SELECT is_cancelled FROM run\n        ",
    "batches are settled": b"SELECT FROM run\n        ",
    "the run ends": b"AND status IN ('RUNNING', 'PARTIAL')\n        ",
}


@pytest.mark.parametrize("mode", ["full", "changed"])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_an_answer_to_one_statement_that_never_came(
    installation: Installation, partner: Partner, forks: Forks, ending: bytes, mode: str
) -> None:
    """It is made once more, and nobody notices."""
    with Proxy(installation.sql("SELECT inet_server_port()")[0][0]) as proxy:
        environ = installation.environ | {"DATABASE_URL": proxy.url(installation.url)}
        proxy.cut_after(ending, 1)
        answer = forks.run(environ=environ, lake=installation.lake, request={"mode": mode}) or {}
        assert proxy.has_cut
        assert answer.get("status") == "PARTIAL" or answer["error"] == "ConnectionLost", answer
        ((run_id,),) = installation.sql("SELECT id::text FROM export_runs")
        if answer.get("status") != "PARTIAL":
            assert installation.finish(run_id) == "PARTIAL"
        installation.wait_until_left()
        installation.assert_true(partner, run_id, rows(120))
