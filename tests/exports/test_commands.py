"""The commands of exports, run as an operator runs them: against a partner that is none and a real database."""

from __future__ import annotations

import csv
import io
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
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from service.__main__ import _outage
from service.database import holding
from service.exports import runs
from service.exports.selection.request import Request
from service.exports.service import LakeUnavailable
from service.terminal.tables import COLUMNS
from tests.exports.house import CUSTOMERS, DIGITS, ODD, ORDERS, PRODUCTS, House, of_customer, opened
from tests.jobs.conftest import wait_for
from tests.partner import Fault, Partner
from tests.postgres import Postgres, free_port
from tests.transports import ROOT

SECONDS = r"[0-9.]+ s"
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def start(house: House, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **house.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(house: House, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    process = start(house, *arguments, **environ)
    output, errors = process.communicate(timeout=60)
    grants = house.partner.grants
    assert not [secret for secret in (grants.client_secret, *grants.tokens) if secret in output + errors]
    assert "Traceback" not in errors
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def on_a_terminal(house: House, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run a command on a terminal; return its code and all that it wrote there."""
    pid, terminal = pty.fork()
    if pid == 0:
        environ = {"PATH": os.environ["PATH"], "COLUMNS": str(columns), "TERM": "xterm", **house.environ}
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
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return code, written.decode()


@pytest.fixture(scope="module")
def _house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(postgres, tmp_path_factory.getbasetemp(), EXPORT_CONCURRENCY="1") as house:
        yield house


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    """A service that has sent nothing yet, and whose environment is the test's own."""
    before = dict(_house.environ)
    _house.empty()
    _house.renew()
    yield _house
    _house.environ = before
    _house.close()


@pytest.fixture
def partner(house: House) -> Partner:
    return house.partner


def the_run(house: House) -> dict[str, Any]:
    ((run,),) = house.sql("SELECT to_jsonb(r) FROM export_runs AS r")
    found: dict[str, Any] = run
    return found


@contextmanager
def compared_elsewhere(house: House, table: str = CUSTOMERS) -> Iterator[str]:
    """Let another process be about to compare a table; gives the id of its run."""
    with house.app() as app:
        run_id: str = app.extensions["exports"].announce(Request(table, mode="changed"), "request")
        with holding.lock(app.extensions["database"], runs.lock_name(run_id), lambda: 0.0):
            yield run_id


# What it says


def test_help_names_examples_and_exit_codes(house: House) -> None:
    said = " ".join(command(house, "export", "--help").stdout.split())
    words = ("130 interrupted", "3 the database or the lake", "2 wrong usage", "1 FAILED", "4 PARTIAL", "5 BUSY")
    for word in (*words, "6 CANCELLED", "0 SUCCEEDED", "make partner", CUSTOMERS, "--date", "--where", "--filters"):
        assert word in said


@pytest.mark.parametrize("name", [[], ["rejects"], ["retry"]], ids=" ".join)
def test_help_fits_a_terminal(house: House, name: list[str]) -> None:
    said = command(house, "exports", *name, "--help", COLUMNS="80")
    assert (said.returncode, said.stderr) == (0, "")
    assert all(len(line) <= 80 for line in said.stdout.splitlines())
    assert "RUN" in said.stdout
    assert "..." not in said.stdout.replace("[ARGS]...", "")


def test_the_sample_customers_arrive(house: House, partner: Partner) -> None:
    result = command(house, "export", CUSTOMERS)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(rf"{CUSTOMERS}: 1,000 selected, 1,000 sent in {SECONDS}\n", result.stdout)
    assert {one.row["customer_id"] for one in partner.rows} == set(range(1, 1001))
    house.assert_all_is_accounted_for()


def test_the_second_comparison_sends_nothing(house: House, partner: Partner) -> None:
    assert command(house, "export", PRODUCTS, "--mode", "changed").returncode == 0
    again = command(house, "export", PRODUCTS, "--mode", "changed")
    assert re.fullmatch(
        rf"{PRODUCTS}: nothing to send: 300 rows are as the partner has them \({SECONDS}\)\n", again.stdout
    )
    assert len(partner.rows) == 300


def test_what_is_asked_for_is_sent(house: House, partner: Partner) -> None:
    filters = json.dumps([{"column": "visits", "op": "ge", "value": 100}])
    options = ["--where", "region = 'US'", "--filters", filters, "--columns", "customer_id,region,visits"]
    result = command(house, "export", CUSTOMERS, *options, "--date", "last_30_days", "--limit", "20")
    assert result.returncode == 0, result.stderr
    assert re.search(r"20 selected, 20 sent, cut at the limit \(there are 1\d\d\) in", result.stdout)
    assert all(one.row["region"] == "US" and one.row["visits"] >= 100 for one in partner.rows)
    assert {tuple(one.row) for one in partner.rows} == {("customer_id", "region", "visits")}


def test_json_prints_one_object_and_nothing_else(house: House, partner: Partner) -> None:
    partner.faults = [Fault("status", status=503, requests=[2])]
    result = command(house, "export", ODD, "--json")
    assert result.returncode == 0
    (line,) = result.stdout.splitlines()
    run = json.loads(line)
    assert (run["id"], run["status"], run["trigger"]) == (the_run(house)["id"], "SUCCEEDED", "command")
    assert (run["rowsSelected"], run["rowsSent"], run["batches"]) == (4, 4, {"sent": 1})
    assert 0 < run["seconds"] < 30
    assert re.match(r"headgate: the partner (answered 503|is asked again)", result.stderr)


@pytest.mark.parametrize("columns", [80, 40])
def test_a_terminal_shows_a_bar_with_rows_rate_and_what_is_left(house: House, partner: Partner, columns: int) -> None:
    partner.latency = 0.25
    code, written = on_a_terminal(house, "export", CUSTOMERS, columns=columns)
    assert code == 0, written
    frames = re.split("[\r\n]+", re.sub("\x1b\\[[0-9;]*m", "", written))
    bars = [frame.rstrip() for frame in frames if frame.startswith(f"{CUSTOMERS} ")]
    assert all(len(bar) < columns for bar in bars)
    bar = "" if columns == 40 else r"\[#+-+\] "
    left = "" if columns == 40 else r", [0-9]+/s, [0-9]+ s left"
    assert any(re.match(rf"{CUSTOMERS} {bar}[1-9]00 of 1,000{left}", each) for each in bars), bars
    assert "1,000 selected, 1,000 sent" in frames[-2]


def test_without_a_terminal_nothing_is_drawn(house: House, partner: Partner) -> None:
    partner.latency = 0.1
    result = command(house, "export", CUSTOMERS)
    assert "\r" not in result.stdout + result.stderr
    assert result.stderr == ""


# Usage and configuration


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "TABLE"),
        (["customers"], f"table: Must be a table that may be exported; did you mean {CUSTOMERS}?"),
        (
            [CUSTOMERS, "--columns", "frist_name"],
            "columns[0]: Must be a column of the table, not 'frist_name'; did you",
        ),
        ([CUSTOMERS, "--where", "1=1"], "where_clause: Must name a column"),
        ([CUSTOMERS, "--date", "tomorrow"], "date_filter: Must be today, yesterday"),
        ([CUSTOMERS, "--limit", "x"], "--limit"),
        ([CUSTOMERS, "--limit", "10001"], "limit: Must be at most 10000"),
        ([CUSTOMERS, "--filters", "[{}]"], "filters[0]."),
        ([CUSTOMERS, "--mode", "some"], "--mode"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_2_and_sends_nothing(
    house: House, partner: Partner, arguments: list[str], words: str
) -> None:
    result = command(house, "export", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    assert partner.rows == house.sql("SELECT id FROM export_runs") == []


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"API_CREDENTIALS": ""}, ["API_SECRET_NAME", "API_CREDENTIALS"]),
        ({"API_CREDENTIALS": '{"api_base_url": "http://example.com"}'}, ["api_base_url in API_CREDENTIALS must be"]),
        ({"EXPORT_TABLES": "{"}, ["EXPORT_TABLES must list names of tables"]),
        ({"EXPORT_TABLES": json.dumps({CUSTOMERS: {"key": ["nope"]}})}, ["EXPORT_TABLES names the column nope"]),
    ],
    ids=["none", "without TLS", "no tables", "no such column"],
)
def test_a_wrong_configuration_ends_with_2_and_names_the_variable(
    house: House, environ: dict[str, str], words: list[str]
) -> None:
    result = command(house, "export", CUSTOMERS, **environ)
    assert (result.returncode, result.stdout) == (2, "")
    assert [word for word in words if word not in result.stderr] == []
    assert house.sql("SELECT id FROM export_runs") == []


def test_a_database_out_of_reach_ends_with_3(house: House) -> None:
    url = f"postgresql://me:marker-7@127.0.0.1:{free_port()}/app"
    run_id = str(uuid.uuid4())
    for arguments in (["export", CUSTOMERS], ["exports"], ["exports", "retry", run_id]):
        result = command(house, *arguments, DATABASE_URL=url)
        assert (result.returncode, result.stdout) == (3, "")
        assert result.stderr.startswith("headgate: The database cannot be reached: ")
        assert "marker-7" not in result.stderr


def test_a_lake_out_of_reach_ends_with_3(house: House, tmp_path: Any) -> None:
    (tmp_path / "lake").write_text("no directory")
    result = command(house, "export", CUSTOMERS, DATA_DIR=str(tmp_path))
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("headgate: The catalog of the lake cannot be read: ")
    assert house.sql("SELECT id FROM export_runs") == []
    assert _outage(LakeUnavailable("the lake is dry")) == (3, "The lake is dry")


# How a run can end


def test_wrong_credentials_end_with_1(house: House, partner: Partner) -> None:
    wrong = json.dumps(partner.credentials | {"client_secret": "secret-of-somebody"})
    result = command(house, "export", CUSTOMERS, API_CREDENTIALS=wrong)
    assert result.returncode == 1
    assert re.match(rf"{CUSTOMERS}: FAILED after {SECONDS}: the token endpoint answered 401", result.stdout)
    assert "(1,000 selected, 0 sent, 1,000 remaining)" in result.stdout
    assert "secret-of-somebody" not in result.stdout + result.stderr
    run_id = the_run(house)["id"]
    assert f"`python -m service exports retry {run_id}` goes on from here" in result.stderr
    assert command(house, "exports", "retry", run_id).returncode == 0
    house.assert_all_is_accounted_for()


def test_a_partner_that_is_down_ends_with_1_and_the_retry_goes_on(house: House, partner: Partner) -> None:
    down = json.dumps(partner.credentials | {"api_base_url": f"http://127.0.0.1:{free_port()}"})
    result = command(house, "export", PRODUCTS, API_CREDENTIALS=down, EXPORT_MAX_RETRIES="1")
    assert result.returncode == 1
    assert re.match(rf"{PRODUCTS}: FAILED after {SECONDS}: the connection to the partner failed", result.stdout)


def test_rejects_end_with_4_and_can_be_listed_and_sent_again(house: House, partner: Partner) -> None:
    house.renew(of_customer(3, 500))
    result = command(house, "export", CUSTOMERS)
    assert result.returncode == 4
    counts = r"\(1,000 selected, 998 sent, 2 rejected\)"
    assert re.fullmatch(rf"{CUSTOMERS}: PARTIAL after {SECONDS}: 2 rows were rejected {counts}\n", result.stdout)
    run_id = the_run(house)["id"]
    assert f"see `python -m service exports rejects {run_id}`" in result.stderr

    title, *lines = command(house, "exports", "rejects", run_id[-12:]).stdout.splitlines()
    assert title.split() == ["ROW", "BATCH", "STATUS", "TRIES", "REASON", "RECORD"]
    assert all(len(line) <= COLUMNS for line in (title, *lines))
    assert sorted(re.findall(r"422 +1 +customer (\d+) is unknown +\{\"customer_id\":(\d+),", "\n".join(lines))) == [
        ("3", "3"),
        ("500", "500"),
    ]
    told = json.loads(command(house, "exports", "rejects", run_id, "--json").stdout)
    assert [one["record"]["customer_id"] for one in told] == [3, 500]
    one = json.loads(command(house, "exports", "rejects", run_id, "--json", "--limit", "1").stdout)
    assert len(one) == 1

    partner.records.refuses = of_customer(500)
    again = command(house, "exports", "retry", run_id[-12:])
    assert again.returncode == 4
    assert "1 row was rejected (1,000 selected, 999 sent, 1 rejected)" in again.stdout
    assert len(command(house, "exports", "rejects", run_id, "--all").stdout.splitlines()) == 3
    partner.records.refuses = lambda row: None
    last = command(house, "exports", "retry", run_id, "--json")
    assert (last.returncode, json.loads(last.stdout)["status"]) == (0, "SUCCEEDED")
    assert command(house, "exports", "rejects", run_id).stdout == "there are no rejects\n"
    over = command(house, "exports", "retry", run_id)
    assert (over.returncode, over.stdout) == (1, "")
    assert over.stderr == f"Error: {run_id}: Every row got through\n"
    house.assert_all_is_accounted_for()


def test_another_comparison_of_the_table_ends_with_5(house: House) -> None:
    with compared_elsewhere(house) as run_id:
        result = command(house, "export", CUSTOMERS, "--mode", "changed")
        told = command(house, "export", CUSTOMERS, "--mode", "changed", "--json")
        free = command(house, "export", CUSTOMERS, "--limit", "5")
    assert result.returncode == told.returncode == 5
    assert result.stdout == f"{CUSTOMERS}: BUSY: another run compares {CUSTOMERS}: {run_id}\n"
    assert f"see `python -m service exports show {run_id}`" in result.stderr
    assert (json.loads(told.stdout)["status"], json.loads(told.stdout)["id"]) == ("BUSY", run_id)
    assert free.returncode == 0


def test_a_run_that_is_cancelled_elsewhere_ends_with_6(house: House, partner: Partner) -> None:
    partner.latency = 0.3
    process = start(house, "export", CUSTOMERS)
    wait_for(lambda: partner.rows, "the run sends")
    run_id = the_run(house)["id"]
    cancelled = command(house, "exports", "cancel", run_id)
    assert (cancelled.returncode, cancelled.stderr) == (0, "")
    told = "its process is told to stop; see `exports show`"  # unless it has stopped already
    assert re.match(rf"{CUSTOMERS}: ({told}|CANCELLED after {SECONDS} .*)\n", cancelled.stdout)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 6, errors
    assert re.match(rf"{CUSTOMERS}: CANCELLED after {SECONDS} \(1,000 selected, \d00 sent, \d00 remaining\)\n", output)
    assert f"exports retry {run_id}` goes on from here" in errors
    partner.latency = 0
    assert command(house, "exports", "retry", run_id).returncode == 0
    house.assert_all_is_accounted_for()


def test_a_run_that_nobody_works_on_is_cancelled_at_once(house: House) -> None:
    with house.app() as app:
        run_id = app.extensions["exports"].announce(Request(ORDERS), "request")
    result = command(house, "exports", "cancel", run_id)
    assert re.match(rf"{ORDERS}: CANCELLED after {SECONDS} \(0 selected, 0 sent\)", result.stdout)
    again = command(house, "exports", "cancel", run_id)
    assert (again.returncode, again.stderr) == (1, f"Error: {run_id}: The run has ended as CANCELLED\n")


# Being stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_the_run_behind_its_batches_and_the_retry_sends_the_rest(
    house: House, partner: Partner, number: signal.Signals
) -> None:
    partner.latency = 0.15
    process = start(house, "export", CUSTOMERS, BATCH_SIZE="20")
    wait_for(lambda: len(partner.rows) > 40, "the run sends")
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "FAILED after" in output
    assert "interrupted; `exports retry` goes on from here" in output
    run = the_run(house)
    assert f"`python -m service exports retry {run['id']}` goes on from here" in errors
    assert (run["status"], run["error_message"]) == ("FAILED", "interrupted; `exports retry` goes on from here")
    assert 0 < len(partner.rows) == run["rows_sent"] < 1000
    assert house.sql("SELECT id FROM jobs") == []
    partner.latency = 0
    result = command(house, "exports", "retry", run["id"])
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(rf"{CUSTOMERS}: 1,000 selected, 1,000 sent in {SECONDS}\n", result.stdout)
    house.assert_all_is_accounted_for()


def test_a_second_signal_ends_at_once_and_the_retry_sends_the_rest(house: House, partner: Partner) -> None:
    partner.faults = [Fault("timeout", seconds=60, requests=range(4, 100))]
    process = start(house, "export", CUSTOMERS)
    wait_for(lambda: len(partner.requests) > 3 and len(partner.rows) > 100, "the run sends")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 4
    assert process.returncode == 130
    assert "headgate: ending behind the batches at hand; Ctrl-C once more ends at once\n" in errors
    assert "Traceback" not in errors
    run = the_run(house)
    assert f"headgate: interrupted; `python -m service exports retry {run['id']}` goes on from here\n" in errors
    assert run["status"] == "FAILED"
    partner.faults = []
    result = command(house, "exports", "retry", run["id"])
    assert result.returncode == 0, result.stderr
    house.assert_all_is_accounted_for()


def test_one_signal_is_enough_where_no_answer_comes(house: House, partner: Partner) -> None:
    partner.faults = [Fault("timeout", seconds=60, requests=range(4, 100))]
    process = start(house, "export", CUSTOMERS, GRACEFUL_SECONDS="4")
    wait_for(lambda: len(partner.rows) > 100, "the run sends")
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert time.monotonic() - began < 7
    assert process.returncode == 130
    assert the_run(house)["status"] == "FAILED"


# Lists


def test_runs_are_listed_and_shown_in_a_hundred_columns(house: House, partner: Partner) -> None:
    assert command(house, "exports").stdout == "there are no runs\n"
    command(house, "export", CUSTOMERS, "--limit", "30", "--where", "region = 'US'")
    command(house, "export", ODD)
    house.sql("UPDATE export_runs SET table_name = %s WHERE table_name = %s", f"dev_{'long_' * 20}silver", ODD)
    title, first, second = command(house, "exports").stdout.splitlines()
    assert title.split() == ["RUN", "BEGAN", "STATUS", "TABLE", "SELECTED", "SENT", "REJECTED"]
    assert all(len(line) <= COLUMNS for line in (title, first, second))
    assert re.search(r"SUCCEEDED +dev_long_long_.*… +4 +4 +0$", first)
    assert re.search(rf"SUCCEEDED +{CUSTOMERS} +30 +30 +0$", second)
    told = json.loads(command(house, "exports", "list", "--json", "--table", CUSTOMERS).stdout)
    assert [run["table"] for run in told] == [CUSTOMERS]
    assert len(command(house, "exports", "--limit", "1").stdout.splitlines()) == 2

    for name in (second.split()[0], told[0]["id"], told[0]["id"].upper()):
        shown = command(house, "exports", "show", name).stdout
        assert re.match(rf"{CUSTOMERS}: 30 selected, 30 sent, cut at the limit \(there are \d+\) in {SECONDS}\n", shown)
    assert '{"limit": 30, "where_clause": "region = \'US\'"}, mode full, by command' in shown
    assert f"{partner.url}/records" in shown
    assert re.search(rf"run +{told[0]['id']}\n", shown)
    assert re.search(r"batches +1 sent\n", shown)
    whole = json.loads(command(house, "exports", "show", second.split()[0], "--json").stdout)
    assert {name: value for name, value in whole.items() if name not in ("queryId", "batches")} == told[0]
    with compared_elsewhere(house) as running:
        shown = command(house, "exports", "show", running).stdout
    assert shown.startswith(f"{CUSTOMERS}: CONTINUES: 0 selected, 0 sent so far\n")
    assert re.search(r"ended +not yet; last heard of 20\S+Z\n", shown)


@pytest.mark.parametrize(
    ("what", "name", "code", "words"),
    [
        ("show", "1234567", 2, "'1234567' is not the id of a run"),
        ("rejects", "%", 2, "'%' is not the id of a run"),
        ("show", "0123456789ab", 1, "there is no run '0123456789ab'"),
        ("rejects", "0123456789ab", 1, "there is no run '0123456789ab'"),
        ("cancel", "0123456789ab", 1, "there is no run '0123456789ab'"),
        ("retry", "0f8fad5b-d9cb-469f-a165-70867728950e", 1, "there is no run '0f8fad5b-d9cb-469f-a165-7086772"),
    ],
)
def test_a_run_that_is_not_there_is_said_to_be_missing(
    house: House, what: str, name: str, code: int, words: str
) -> None:
    result = command(house, "exports", what, name)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr


def test_an_end_that_two_runs_have_is_not_enough(house: House) -> None:
    with house.app() as app:
        ids = [app.extensions["exports"].announce(Request(ODD), "request") for _ in range(2)]
    ending = "0123456789ab"
    for number, run_id in enumerate(ids):
        house.sql("UPDATE export_runs SET id = %s WHERE id = %s", f"{number}{run_id[1:-12]}{ending}", run_id)
    result = command(house, "exports", "show", ending)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"more than one run ends with {ending}: " in result.stderr


def test_thousands_of_rejects_are_written_to_a_file_whole(house: House, tmp_path: Any) -> None:
    house.renew(lambda row: "=no")
    assert command(house, "export", ODD).returncode == 4
    run_id = the_run(house)["id"]
    house.sql(
        """
        INSERT INTO export_rejects (run_id, row_number, batch_number, payload, status_code, reason)
        SELECT %s, number, 1, '{"a": "' || repeat('é', 2000) || number || '"}', 422, 'no'
        FROM generate_series(5, 4200) AS number
        """,
        run_id,
    )
    with (tmp_path / "rejects.csv").open("w") as file:
        process = subprocess.run(
            [sys.executable, "-m", "service", "exports", "rejects", run_id, "--csv"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **house.environ},
            stdout=file,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert (process.returncode, process.stderr) == (0, b"")
    text = (tmp_path / "rejects.csv").read_bytes().decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header[0] == "row"
    assert [int(row[0]) for row in rows] == list(range(1, 4201))
    assert rows[0][3] == "'=no"
    records = [json.loads(row[-1], parse_float=Decimal) for row in rows]
    assert DIGITS in [record.get("amount") for record in records]
    assert len(max((row[-1] for row in rows), key=len)) > 20_000
    told = command(house, "exports", "rejects", run_id)
    assert len(told.stdout.splitlines()) == 21
    assert told.stderr == "headgate: these are the first 20; --limit shows more, --csv each as a whole\n"
    assert len(json.loads(command(house, "exports", "rejects", run_id, "--json").stdout)) == 4200
