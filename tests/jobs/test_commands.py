"""What an operator sees of the jobs, and does about dead letters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.transports import ROOT

Sql = Callable[..., list[tuple[Any, ...]]]
Put = Callable[..., None]
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def command(jobs_environment: dict[str, str], sql: Sql) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **jobs_environment, **environ},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def three(put: Put, sql: Sql) -> dict[str, str]:
    """The ids of a job that waits, one that runs and one that is dead, by what they are."""
    for key in ("waiting", "running", "dead"):
        put("ingest", key=key)
    sql("UPDATE jobs SET lease = id, leased_until = now() + interval '1 h' WHERE arguments->>'key' = 'running'")
    sql(
        """
        UPDATE jobs SET attempts = 5, dead_at = '2026-11-21 10:00:00.5Z', last_reason = 'no such shop'
        WHERE arguments->>'key' = 'dead'
        """
    )
    return dict(sql("SELECT arguments->>'key', id::text FROM jobs"))


def test_the_jobs_are_listed_with_what_became_of_them(command: Any, three: dict[str, str]) -> None:
    done = command("jobs", "list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:4] for line in lines[:3]] == [
        [three["waiting"], "waiting", "ingest", '{"key":'],
        [three["running"], "running", "ingest", '{"key":'],
        [three["dead"], "dead", "ingest", '{"key":'],
    ]
    assert lines[2].endswith('{"key": "dead"}  since 2026-11-21T10:00:00Z  attempts: 5')
    assert lines[3].strip() == "no such shop"


def test_dead_letters_are_listed_alone_and_as_json(command: Any, three: dict[str, str]) -> None:
    assert [line.split()[0] for line in command("jobs", "list", "--dead").stdout.splitlines()[:-1]] == [three["dead"]]
    (told,) = json.loads(command("jobs", "list", "--dead", "--json").stdout)
    due, created = told.pop("dueAt"), told.pop("createdAt")
    assert due.endswith("Z")
    assert created.endswith("Z")
    assert told == {
        "id": three["dead"],
        "job": "ingest",
        "arguments": {"key": "dead"},
        "state": "dead",
        "attempts": 5,
        "deadAt": "2026-11-21T10:00:00Z",
        "lastReason": "no such shop",
    }
    assert [job["state"] for job in json.loads(command("jobs", "list", "--json").stdout)] == [
        "waiting",
        "running",
        "dead",
    ]


def test_that_there_are_none_is_said(command: Any) -> None:
    assert command("jobs", "list").stdout == "there are no jobs\n"
    assert command("jobs", "list", "--dead").stdout == "there are no dead letters\n"
    assert command("jobs", "list", "--json").stdout == "[]\n"
    assert command("jobs", "retry", "--all-dead").stdout == "there are no dead letters\n"


def test_a_dead_letter_is_run_again(command: Any, three: dict[str, str], sql: Sql) -> None:
    done = command("jobs", "retry", three["dead"], three["waiting"], NOBODY)
    assert done.returncode == 1
    assert done.stdout == f"will be run again: {three['dead']}\n"
    assert done.stderr == f"Error: no dead letter: {', '.join(sorted((NOBODY, three['waiting'])))}\n"
    assert sql("SELECT dead_at, attempts, run_at <= now() FROM jobs WHERE id = %s", three["dead"]) == [(None, 0, True)]


def test_all_dead_letters_are_run_again(command: Any, three: dict[str, str], sql: Sql) -> None:
    done = command("jobs", "retry", "--all-dead")
    assert (done.returncode, done.stdout) == (0, f"will be run again: {three['dead']}\n")
    assert sql("SELECT count(*) FROM jobs WHERE dead_at IS NOT NULL") == [(0,)]


def test_a_job_is_dropped_unless_it_runs(command: Any, three: dict[str, str], sql: Sql) -> None:
    assert command("jobs", "drop", three["dead"]).stdout == f"dropped: {three['dead']}\n"
    for each in (three["running"], three["dead"]):
        done = command("jobs", "drop", each)
        assert (done.returncode, done.stderr) == (1, f"Error: no job that could be dropped: {each}\n")
    assert sql("SELECT count(*) FROM jobs") == [(2,)]


WRONG = [
    ["jobs", "retry"],
    ["jobs", "retry", "--all-dead", "7f9c24e8-3b12-4a5f-9d0c-1c2d3e4f5a6b"],
    ["jobs", "retry", "7"],
    ["jobs", "drop"],
    ["jobs", "drop", "'; DROP TABLE jobs"],
    ["jobs", "list", "--alive"],
    ["worker", "now"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_ends_with_2(command: Any, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["jobs", "list"], ["jobs", "retry", "--all-dead"], ["worker"]], ids=" ".join)
def test_where_the_jobs_are_in_sqs_it_is_said(command: Any, arguments: list[str]) -> None:
    done = command(*arguments, JOBS_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "headgate: JOBS_QUEUE_URL is set: jobs wait in https://sqs.eu-west-1.amazonaws.com/123456789012/jobs,"
        " not in the database (docs/operating.md)\n"
    )


HELP = {
    "worker": ["SCHEDULE_EXPRESSION", "SIGTERM", "GRACEFUL_SECONDS", "--alive-file"],
    "jobs": ["dead letter", "list", "retry", "drop"],
    "jobs retry": ["--all-dead", "IDS"],
}


@pytest.mark.parametrize(("arguments", "words"), HELP.items(), ids=HELP)
def test_help_says_what_a_command_does(command: Any, arguments: str, words: list[str]) -> None:
    done = command(*arguments.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in words:
        assert word in done.stdout
