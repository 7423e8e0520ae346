"""The commands of ingestion, run as an operator runs them: against a Fullbay that is none and a real database."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service.__main__ import _outage
from service.database.failures import ConnectionLost
from service.errors import ServiceUnavailable
from service.ingestion.fullbay.egress import AddressUnknown
from service.ingestion.records import Stream
from service.ingestion.runs import hold
from service.jobs import NotQueued
from service.secrets_manager import SecretUnavailable
from service.terminal.display import duration
from service.terminal.tables import COLUMNS, print_table
from tests.fullbay import Fault, Fullbay
from tests.ingestion.conftest import Installation
from tests.postgres import Postgres, free_port
from tests.transports import ROOT

SECONDS = r"[0-9.]+ s"


def start(installation: Installation, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **installation.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(installation: Installation, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    process = start(installation, *arguments, **environ)
    output, errors = process.communicate(timeout=60)
    for secret in (name for name in installation.environ if name.startswith("FULLBAY_API_KEY")):
        assert installation.environ[secret] not in output + errors
    assert "Traceback" not in errors
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def on_a_terminal(installation: Installation, *arguments: str, columns: int = 80) -> str:
    """Run a command on a terminal; return all that it wrote there."""
    pid, terminal = pty.fork()
    if pid == 0:
        environ = {"PATH": os.environ["PATH"], "COLUMNS": str(columns), "TERM": "xterm", **installation.environ}
        os.chdir(ROOT)
        os.execve(sys.executable, [sys.executable, "-m", "service", *arguments], environ)
    written = b""
    expires_at = time.monotonic() + 60
    while time.monotonic() < expires_at and select.select([terminal], [], [], 1) is not None:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        written += part
    assert os.waitpid(pid, 0)[1] == 0, written.decode()
    os.close(terminal)
    return written.decode()


def wait_until(happens: Callable[[], Any], what: str, seconds: float = 20) -> None:
    expires_at = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < expires_at, f"{what}: not within {seconds} seconds"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def shared(install: Callable[..., Installation]) -> Installation:
    return install(FULLBAY_PAGE_SIZE="100")


@pytest.fixture
def installation(shared: Installation) -> Iterator[Installation]:
    """An installation that has read nothing yet, and whose environment is the test's own."""
    before = dict(shared.environ)
    shared.empty()
    yield shared
    shared.environ = before


@pytest.fixture
def fullbay(serve: Callable[..., Fullbay], installation: Installation) -> Fullbay:
    found = serve(work_orders=230, customers=12, parts=7, invoices=40)
    installation.read_from(found)
    return found


@contextmanager
def read_elsewhere(installation: Installation) -> Iterator[str]:
    """Let another process be at work on the work orders; gives the id of its run."""
    with installation.app() as app:
        stream = Stream("work-orders", "work-orders", "default")
        with hold(app.extensions["database"], stream, None, {}, "https://api.example.com") as held:
            assert held is not None
            yield held.leg.execution_id


# What it says


def test_help_names_sources_examples_and_exit_codes(installation: Installation) -> None:
    with installation.app() as app:
        sources = app.extensions["ingestion"].sources
    said = command(installation, "ingest", "--help").stdout
    for source in sources.values():
        for word in (source.name, *source.resources):
            assert word in said
    for word in ("130 interrupted", "3 the database", "2 wrong usage", "1 FAILED", "4 PARTIAL", "5 BUSY", "0 SUCCESS"):
        assert word in said


@pytest.mark.parametrize("name", ["runs", "rejects", "coverage"])
def test_help_is_not_cut_off(name: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "service", name, "--help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert "..." not in said.stdout.replace("[ARGS]...", "")


def test_the_first_run_reads_everything_and_the_second_one_says_that_nothing_is_new(
    fullbay: Fullbay, installation: Installation
) -> None:
    first = command(installation, "ingest", "work-orders")
    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(
        rf"work-orders \(default\): 230 read in {SECONDS}: 230 new, 0 changed, 0 unchanged\n", first.stdout
    )
    assert installation.sql("SELECT count(*) FROM fullbay_work_orders") == [(230,)]
    before = installation.sql("SELECT max(ingestion_timestamp) FROM fullbay_work_orders")
    second = command(installation, "ingest", "work-orders")
    assert (second.returncode, second.stderr) == (0, "")
    assert re.fullmatch(
        rf"work-orders \(default\): nothing new: 1 read again, unchanged \({SECONDS}\)\n", second.stdout
    )
    assert installation.sql("SELECT max(ingestion_timestamp) FROM fullbay_work_orders") == before
    fullbay.update("work-orders", "1000008")
    changed = command(installation, "ingest", "work-orders").stdout
    assert re.search(r": 2 read in [0-9.]+ s: 0 new, 1 changed, 1 unchanged$", changed)
    fullbay.update("work-orders", "1000007")
    fullbay.insert("work-orders")
    third = command(installation, "ingest", "work-orders").stdout
    assert re.search(r": [0-9]+ read in [0-9.]+ s: 1 new, 1 changed, [0-9]+ unchanged$", third)


@pytest.mark.parametrize(
    ("arguments", "table", "count"),
    [
        (["work-orders", "--resource", "customers"], "fullbay_customers", 12),
        (["work-orders", "--resource", "parts"], "fullbay_parts", 7),
        (["work-orders", "--since", "2025-01-01"], "fullbay_work_orders", 230),
        (["work-orders", "--backfill", "2025-01-01", "2025-02-01"], "fullbay_work_orders", 230),
        (["invoices", "--since", "2020-01-01"], "fullbay_invoices", 40),
    ],
    ids=["customers", "parts", "since", "backfill", "invoices"],
)
def test_what_is_asked_for_is_read(
    fullbay: Fullbay, installation: Installation, arguments: list[str], table: str, count: int
) -> None:
    result = command(installation, "ingest", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{count} new" in result.stdout
    assert installation.sql(f"SELECT count(*) FROM {table}") == [(count,)]


def test_full_reads_everything_again(fullbay: Fullbay, installation: Installation) -> None:
    command(installation, "ingest", "work-orders")
    result = command(installation, "ingest", "work-orders", "--full")
    assert "nothing new: 230 read again, unchanged" in result.stdout


def test_json_prints_one_object_for_each_run_and_nothing_else(fullbay: Fullbay, installation: Installation) -> None:
    fullbay.faults = [Fault("status", status=503, requests=[2])]
    result = command(installation, "ingest", "work-orders", "--json")
    assert result.returncode == 0
    (line,) = result.stdout.splitlines()
    run = json.loads(line)
    assert {name: run[name] for name in ("source", "resource", "shop", "status", "errorMessage", "request")} == {
        **dict.fromkeys(("source", "resource"), "work-orders"),
        "shop": "default",
        "status": "SUCCESS",
        "errorMessage": None,
        "request": {},
    }
    counts = [run[f"records{name}"] for name in ("Processed", "Inserted", "Updated", "Unchanged", "Stale", "Rejected")]
    assert counts == [230, 230, 0, 0, 0, 0]
    assert 0 < run["seconds"] < 30
    assert installation.sql("SELECT execution_id FROM ingestion_metadata") == [(run["executionId"],)]
    assert re.fullmatch(rf"headgate: the source answered 503; asked again in {SECONDS}\n", result.stderr)


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_terminal_shows_a_bar_with_rows_rate_and_what_is_left(
    fullbay: Fullbay, installation: Installation, columns: int
) -> None:
    fullbay.latency = 0.3
    fullbay.faults = [Fault("status", status=503, requests=[2])]
    written = on_a_terminal(installation, "ingest", "work-orders", columns=columns)
    frames = re.split("[\r\n]+", re.sub("\x1b\\[[0-9;]*m", "", written))
    bars = [frame.rstrip() for frame in frames if frame.startswith("work-orders (default) ")]
    assert all(len(bar) < columns for bar in bars)
    bar = "" if columns == 40 else r"\[#+-+\] "
    left = ".*" if columns == 40 else r", [0-9]+ s left"
    assert any(re.fullmatch(rf"work-orders \(default\) {bar}100 of 230, [0-9]+/s{left}", each) for each in bars)
    assert any(re.fullmatch(r" *headgate: the source answered 503; asked again in [0-9.]+ s", f) for f in frames)
    assert "230 new, 0 changed" in frames[-2]


def test_a_run_that_goes_on_shows_the_whole_of_its_window(fullbay: Fullbay, installation: Installation) -> None:
    fullbay.faults = [Fault("status", status=404, requests=[3])]
    assert command(installation, "ingest", "work-orders").returncode == 1
    fullbay.faults = []
    fullbay.latency = 0.5
    written = on_a_terminal(installation, "ingest", "work-orders")
    assert re.search(r"work-orders \(default\) \[#+-*\] 2[0-3]\d of 230, ", written)
    assert "35 new" in written


def test_a_backfill_shows_how_many_windows_are_left(fullbay: Fullbay, installation: Installation) -> None:
    fullbay.latency = 0.3
    written = on_a_terminal(installation, "ingest", "invoices", "--since", fullbay_day(fullbay, 20))
    assert re.search(r"\[#+-+\] [0-9]+, window 2 of 3, [0-9]+/s, [0-9]+ s left", written)


def fullbay_day(fullbay: Fullbay, days: int) -> str:
    from datetime import timedelta

    return (fullbay.clock().date() - timedelta(days=days)).isoformat()


@pytest.mark.slow
def test_without_a_terminal_a_line_tells_now_and_then_how_far_it_is(
    serve: Callable[..., Fullbay], installation: Installation
) -> None:
    fullbay = serve(work_orders=300)
    installation.read_from(fullbay)
    fullbay.faults = [Fault("timeout", seconds=10.5, requests=[3])]
    result = command(installation, "ingest", "work-orders", FULLBAY_PAGE_SIZE="100")
    assert result.returncode == 0
    first = result.stderr.splitlines()[0]
    assert re.fullmatch(
        r"headgate: work-orders \(default\): [12]\d\d of 300, [0-9]+/s, [0-9]+ s left, no answer for .*", first
    )


# Usage and configuration


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "SOURCE"),
        (["vehicles"], "source: Must be one of work-orders, invoices"),
        (["work-orders", "--resource", "invoices"], "resource: Must be one of work-orders, customers, parts"),
        (["work-orders", "--shop", "denver"], "shop: Must be a shop that has a key: default"),
        (["work-orders", "--since", "yesterday"], "since: Must be a day or a moment"),
        (["work-orders", "--since", "2999-01-01"], "since: Must not be in the future"),
        (["work-orders", "--backfill", "2026-01-01"], "--backfill"),
        (["invoices", "--backfill", "2026-02-01", "2026-01-01"], "to: Must not be before from"),
        (["invoices", "--full", "--since", "2026-01-01"], "Only one of since, backfill and full"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2_and_reads_nothing(
    fullbay: Fullbay, installation: Installation, arguments: list[str], words: str
) -> None:
    result = command(installation, "ingest", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert fullbay.requests == []
    assert installation.sql("SELECT count(*) FROM ingestion_metadata") == [(0,)]


def test_a_missing_key_ends_with_2_and_names_the_variable(installation: Installation) -> None:
    result = command(installation, "ingest", "work-orders")
    assert (result.returncode, result.stdout) == (2, "")
    assert "set FULLBAY_API_KEY" in result.stderr


def test_a_database_out_of_reach_ends_with_3(installation: Installation) -> None:
    url = f"postgresql://me:marker-7@127.0.0.1:{free_port()}/app"
    for arguments in (["ingest", "work-orders"], ["runs"], ["rejects"], ["coverage", "invoices"]):
        result = command(installation, *arguments, DATABASE_URL=url)
        assert (result.returncode, result.stdout) == (3, "")
        assert result.stderr.startswith("headgate: The database cannot be reached: ")
        assert "marker-7" not in result.stderr


def test_a_database_without_migrations_ends_with_3_and_says_how_to_migrate(
    installation: Installation, postgres: Postgres
) -> None:
    url = postgres.create(f"empty_{uuid.uuid4().hex}")
    result = command(installation, "ingest", "work-orders", DATABASE_URL=url)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("headgate: The database lacks 0001_events, ")
    assert "run `python -m service migrate`" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ServiceUnavailable("no server"), 3, "The database cannot be reached: no server"),
        (ConnectionLost("it went"), 3, "The database cannot be reached: it went"),
        (
            SecretUnavailable("the secret 'x' cannot be read: Throttling"),
            1,
            "The secret 'x' cannot be read: Throttling",
        ),
        (AddressUnknown("the public IPv4 address is unknown"), 1, "The public IPv4 address is unknown"),
        (NotQueued("JOBS_QUEUE_URL is not set"), 1, "JOBS_QUEUE_URL is not set"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_cannot_be_had_is_called_by_its_name(error: ServiceUnavailable, code: int, text: str) -> None:
    assert _outage(error) == (code, text)


# How a run can end


def test_a_key_that_is_refused_ends_with_1(fullbay: Fullbay, installation: Installation) -> None:
    result = command(installation, "ingest", "work-orders", FULLBAY_API_KEY_DEFAULT="key-of-nobody")
    assert result.returncode == 1
    assert re.match(
        r"work-orders \(default\): FAILED after .*: the source answered 401: it does not accept", result.stdout
    )
    assert "run the same command again, and it goes on from there" in result.stderr
    assert "key-of-nobody" not in result.stdout + result.stderr


def spoil(fullbay: Fullbay, count: int) -> list[str]:
    return [fullbay.insert("work-orders", raw={"total_amount": "a lot"})["id"] for _ in range(count)]


def test_rejects_end_with_4_and_can_be_listed_shown_and_replayed(fullbay: Fullbay, installation: Installation) -> None:
    first, second = spoil(fullbay, 2)
    result = command(installation, "ingest", "work-orders")
    assert result.returncode == 4
    assert re.match(
        r"work-orders \(default\): PARTIAL after .*: 2 records were rejected \(232 read: 230 new, .*, 2 rejected\)\n",
        result.stdout,
    )
    assert "see `python -m service rejects list`" in result.stderr

    listed = command(installation, "rejects").stdout.splitlines()
    assert len(listed) == 3
    assert {line.split()[0] for line in listed[1:]} == {"1", "2"}
    assert all(len(line) <= COLUMNS and "total_amount: must be a number" in line for line in listed[1:])
    assert command(installation, "rejects", "list").stdout.splitlines() == listed
    told = json.loads(command(installation, "rejects", "--json").stdout)
    assert {each["recordId"] for each in told} == {first, second}
    assert all(each["payload"]["total_amount"] == "a lot" for each in told)
    shown = command(installation, "rejects", "show", str(told[0]["id"])).stdout
    assert f"record {told[0]['recordId']}: total_amount: must be a number" in shown
    assert '"a lot"' in shown
    assert json.loads(command(installation, "rejects", "show", "1", "--json").stdout)["id"] == 1

    again = command(installation, "rejects", "replay", "--all")
    assert again.returncode == 1
    assert again.stdout.startswith("1: rejected: total_amount: must be a number")
    installation.sql("UPDATE ingestion_rejects SET payload = replace(payload, '\"a lot\"', '12.50') WHERE id = 1")
    mended = command(installation, "rejects", "replay", "1")
    assert (mended.returncode, mended.stdout) == (0, "1: inserted\n")
    assert installation.sql("SELECT count(*) FROM fullbay_work_orders WHERE total_amount = 12.50") >= [(1,)]
    twice = command(installation, "rejects", "replay", "1", "--json")
    assert (twice.returncode, json.loads(twice.stdout)["status"]) == (0, "resolved")
    assert len(command(installation, "rejects").stdout.splitlines()) == 2
    assert len(command(installation, "rejects", "--all").stdout.splitlines()) == 3
    unknown = command(installation, "rejects", "replay", "77")
    assert (unknown.returncode, unknown.stdout) == (1, "77: unknown: There is no reject 77\n")
    assert command(installation, "rejects", "show", "77").returncode == 1
    assert command(installation, "rejects", "replay").returncode == 2


def test_a_count_that_is_not_the_source_s_own_ends_with_4_and_points_to_the_run(
    fullbay: Fullbay, installation: Installation
) -> None:
    fullbay.faults = [Fault("total", says="+3")]
    result = command(installation, "ingest", "work-orders")
    assert result.returncode == 4
    assert "PARTIAL" in result.stdout
    assert "see `python -m service runs show " in result.stderr


def test_another_run_of_the_same_ends_with_5(fullbay: Fullbay, installation: Installation) -> None:
    with read_elsewhere(installation) as execution_id:
        result = command(installation, "ingest", "work-orders")
        told = command(installation, "ingest", "work-orders", "--json")
        free = command(installation, "ingest", "work-orders", "--resource", "parts")
    assert result.returncode == told.returncode == 5
    assert result.stdout == (
        f"work-orders (default): BUSY: work-orders of work-orders (default) is busy: run {execution_id} is at work\n"
    )
    assert f"runs show {execution_id}" in result.stderr
    assert (json.loads(told.stdout)["status"], json.loads(told.stdout)["executionId"]) == ("BUSY", execution_id)
    assert free.returncode == 0


def test_every_shop_is_read_and_the_worst_end_is_the_exit_code(
    serve: Callable[..., Fullbay], installation: Installation
) -> None:
    fullbay = serve(invoices=15, shops={"denver": "key-of-denver", "reno": "key-of-reno"})
    installation.read_from(fullbay)
    result = command(installation, "ingest", "invoices", "--since", "2020-01-01")
    assert result.returncode == 0
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["invoices (denver)", "invoices (reno)"]
    assert installation.sql("SELECT shop, count(*) FROM fullbay_invoices GROUP BY 1 ORDER BY 1") == [
        ("denver", 15),
        ("reno", 15),
    ]
    one = command(installation, "ingest", "invoices", "--shop", "reno", "--json")
    assert [json.loads(line)["shop"] for line in one.stdout.splitlines()] == ["reno"]
    worst = command(installation, "ingest", "invoices", "--json", FULLBAY_API_KEY_DENVER="key-of-nobody")
    assert [json.loads(line)["status"] for line in worst.stdout.splitlines()] == ["FAILED", "SUCCESS"]
    assert worst.returncode == 1


# Being stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_the_run_behind_its_page_and_the_next_one_goes_on_from_there(
    serve: Callable[..., Fullbay], installation: Installation, number: signal.Signals
) -> None:
    fullbay = serve(work_orders=400)
    fullbay.latency = 0.15
    installation.read_from(fullbay)
    process = start(installation, "ingest", "work-orders", FULLBAY_PAGE_SIZE="20")
    wait_until(lambda: len(fullbay.requests) > 4, "the run has not begun")
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "FAILED after" in output
    assert "interrupted; the next run goes on from here" in output
    ((stored,),) = installation.sql("SELECT count(*) FROM fullbay_work_orders")
    assert 0 < stored < 400
    assert installation.sql("SELECT status, error_message FROM ingestion_metadata") == [
        ("FAILED", "interrupted; the next run goes on from here")
    ]
    assert installation.sql("SELECT count(*) FROM jobs") == [(0,)]
    fullbay.latency = 0
    asked = len(fullbay.requests)
    result = command(installation, "ingest", "work-orders", FULLBAY_PAGE_SIZE="20")
    assert result.returncode == 0
    assert int(fullbay.requests[asked].query["offset"]) >= stored - 5
    assert installation.sql("SELECT count(*) FROM fullbay_work_orders") == [(400,)]


def test_a_signal_keeps_other_shops_from_being_read(serve: Callable[..., Fullbay], installation: Installation) -> None:
    fullbay = serve(invoices=60, shops={"denver": "key-of-denver", "reno": "key-of-reno"})
    fullbay.latency = 0.3
    installation.read_from(fullbay)
    process = start(installation, "ingest", "invoices")
    wait_until(lambda: fullbay.requests, "the run has not begun")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert installation.sql("SELECT shop FROM ingestion_metadata") == [("denver",)]


def test_a_second_signal_ends_at_once(serve: Callable[..., Fullbay], installation: Installation) -> None:
    fullbay = serve(work_orders=400)
    installation.read_from(fullbay)
    fullbay.faults = [Fault("timeout", seconds=60, requests=range(3, 100))]
    process = start(installation, "ingest", "work-orders", FULLBAY_PAGE_SIZE="20")
    wait_until(lambda: len(fullbay.requests) > 2, "the run has not begun")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert process.returncode == 130
    assert "headgate: ending behind the page at hand; Ctrl-C once more ends at once\n" in errors
    assert "Traceback" not in errors
    assert installation.sql("SELECT status, error_message FROM ingestion_metadata") == [
        ("FAILED", "the run broke off: interrupted; the next run goes on from here")
    ]


def test_one_signal_is_enough_where_the_page_never_comes(
    serve: Callable[..., Fullbay], installation: Installation
) -> None:
    fullbay = serve(work_orders=400)
    installation.read_from(fullbay)
    fullbay.faults = [Fault("timeout", seconds=60, requests=range(3, 100))]
    process = start(installation, "ingest", "work-orders", FULLBAY_PAGE_SIZE="20", GRACEFUL_SECONDS="4")
    wait_until(lambda: len(fullbay.requests) > 2, "the run has not begun")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert time.monotonic() - began < 6
    assert process.returncode == 130
    ((status, message),) = installation.sql("SELECT status, error_message FROM ingestion_metadata")
    assert status == "FAILED"
    assert message.endswith("interrupted; the next run goes on from here")


# Runs and coverage


def test_runs_are_listed_and_shown_in_a_hundred_columns(fullbay: Fullbay, installation: Installation) -> None:
    assert command(installation, "runs").stdout == "there are no runs\n"
    command(installation, "ingest", "work-orders")
    command(installation, "ingest", "invoices", "--since", "2020-01-01")
    listed = command(installation, "runs").stdout.splitlines()
    assert [line.split()[3:] for line in listed[1:]] == [
        ["SUCCESS", "invoices", "(default)", "40", "40"],
        ["SUCCESS", "work-orders", "(default)", "230", "230"],
    ]
    assert all(len(line) <= COLUMNS for line in listed)
    assert len(command(installation, "runs", "list", "--source", "invoices").stdout.splitlines()) == 2
    assert len(command(installation, "runs", "--limit", "1").stdout.splitlines()) == 2
    told = json.loads(command(installation, "runs", "--json").stdout)
    assert [(run["source"], run["recordsInserted"]) for run in told] == [("invoices", 40), ("work-orders", 230)]
    execution_id = listed[2].split()[0]
    shown = command(installation, "runs", "show", execution_id).stdout
    assert "230 read in" in shown
    assert "asked for what is new" in shown
    assert re.search(r"the beginning to 2026-\S+Z +complete +230 +230", shown)
    told = json.loads(command(installation, "runs", "show", execution_id, "--json").stdout)
    assert (told["executionId"], len(told["windows"])) == (execution_id, 1)
    with read_elsewhere(installation) as running:
        assert "RUNNING: 0 read so far" in command(installation, "runs", "show", running).stdout
    missing = command(installation, "runs", "show", "nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "there is no run 'nothing'" in missing.stderr


def test_coverage_tells_what_is_read_and_what_is_missing(fullbay: Fullbay, installation: Installation) -> None:
    days = [fullbay_day(fullbay, number) for number in (60, 50, 49, 41, 40, 0)]
    command(installation, "ingest", "invoices", "--backfill", days[0], days[1])
    command(installation, "ingest", "invoices", "--since", days[4])
    said = command(installation, "coverage", "invoices").stdout.splitlines()
    assert said == [
        "invoices (default)",
        f"  read     {days[0]} to {days[1]}",
        f"           {days[4]} to {days[5]}",
        f"  missing  {days[2]} to {days[3]}",
    ]
    told = json.loads(command(installation, "coverage", "invoices", "--json").stdout)
    assert told["missing"] == [{"from": f"{days[2]}T00:00:00Z", "to": f"{days[4]}T00:00:00Z"}]
    command(installation, "ingest", "invoices")
    assert command(installation, "coverage", "invoices").stdout.splitlines()[2] == "  missing  nothing"
    assert command(installation, "coverage", "invoices", "--shop", "denver").stdout == (
        "nothing of it was ever to be read\n"
    )
    assert command(installation, "coverage", "vehicles").returncode == 2
    command(installation, "ingest", "work-orders")
    for name in [name for name in installation.environ if name.startswith("FULLBAY_API_KEY")]:
        del installation.environ[name]  # looking takes no key
    title, read, missing, to_come = command(installation, "coverage", "work-orders").stdout.splitlines()
    assert (title, missing) == ("work-orders (default)", "  missing  nothing")
    assert re.fullmatch(r"  read     the beginning to 2026-06-\d\dT\d\d:\d\d:\d\dZ", read)
    assert re.fullmatch(rf"  to come  since {fullbay_day(fullbay, 0)}T\S+Z, with the next run", to_come)


def test_a_table_fits_and_says_what_it_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("x" * 30, 1_234_567, "a reason " * 40), ("y", 5, "two\nlines")]
    print_table(("ID", "READ", "REASON"), rows, flexible=2, nothing="nothing")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.split() == ["ID", "READ", "REASON"]
    assert len(second) == COLUMNS
    assert second.endswith("…")
    assert third == "y" + " " * 39 + "5  two lines"
    print_table(("ID",), [], flexible=0, nothing="nothing")
    assert capsys.readouterr().out == "nothing\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.04, "0.0 s"), (9.94, "9.9 s"), (9.95, "10 s"), (3, "3 s"), (59.4, "59 s"), (60, "1 min")),
        *((61, "1 min 1 s"), (3599.6, "1 h"), (3660, "1 h 1 min"), (90_000, "25 h")),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
