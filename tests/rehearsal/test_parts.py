"""What a rehearsal is made of, without anything emulated: its clone, its commands, its order, its report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.docker import engine
from tests.rehearsal import steps
from tests.rehearsal.caller import Steady
from tests.rehearsal.checkout import SECOND_VERSION, Checkout
from tests.rehearsal.lanes import Lanes
from tests.rehearsal.outcome import Failed, check
from tests.rehearsal.report import Report, applied
from tests.rehearsal.shell import Cancelled, Shell
from tests.rehearsal.steps import Step
from tests.transports import ROOT, Answer


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "logs").mkdir()
    (tmp_path / "Makefile").write_text("two:\n\t@echo said; exit 2\none:\n\t@exit 1\n")
    return Shell(tmp_path, {"PATH": os.environ["PATH"]}, tmp_path / "logs")


def test_a_command_that_fails_is_shown_with_its_last_lines_and_its_log(shell: Shell) -> None:
    shell.begin("dev-release")
    with pytest.raises(Failed, match="ended with 3, not with 0") as failed:
        shell.run("bash", "-c", "seq 100; echo 'module.x: Refreshing state... [id=1]'; echo $A; exit 3", A="b")
    assert str(failed.value).startswith("A=b bash -c")
    assert failed.value.details[-3:-1] == ("100", "b")
    assert "1" not in failed.value.details
    log = Path(failed.value.details[-1].partition(": ")[2])
    assert log.name == "dev-release-01-bash.log"
    assert log.read_text().startswith("1\n2\n")


def test_the_code_of_a_target_is_that_of_its_recipe(shell: Shell) -> None:
    assert "said" in shell.make("two", code=2)
    shell.make("one", code=1)
    with pytest.raises(Failed, match="not with 2"):
        shell.make("one", code=2)
    with pytest.raises(Failed):
        shell.make("none", code=1)


@pytest.mark.parametrize("how", ["too long", "cancelled"])
def test_what_a_command_has_started_ends_with_it(tmp_path: Path, how: str) -> None:
    cancelled = threading.Event()
    shell = Shell(tmp_path, {"PATH": os.environ["PATH"]}, tmp_path, cancelled)
    if how == "cancelled":
        threading.Timer(0.5, cancelled.set).start()
    with pytest.raises(Failed if how == "too long" else Cancelled):
        shell.run("bash", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait", seconds=1)
    status = Path(f"/proc/{int((tmp_path / 'pid').read_text())}/stat")
    assert not status.exists() or ") Z " in status.read_text()


def test_what_terraform_did_is_counted() -> None:
    output = "Apply complete! Resources: 3 added, 2 changed, 1 destroyed.\nDestroy complete! Resources: 9 destroyed.\n"
    assert applied(output + output) == {"created": 6, "changed": 4, "destroyed": 20}
    assert applied("Apply complete! Resources: 1 imported, 0 added, 0 changed, 0 destroyed.") == {}
    assert not applied("No changes.")


def step(name: str, environment: str, work: Any = lambda _: iter(()), *, alone: bool = False) -> Step:
    return Step(name, name, environment, work, alone)


def run(*together: Step) -> tuple[Lanes, Report]:
    report = Report(step.name for step in together)
    shell = SimpleNamespace(begin=lambda name: None)
    environments: Any = {name: SimpleNamespace(shell=shell, entry=None) for name in ("dev", "prod")}
    lanes = Lanes(environments, report, threading.Event())
    lanes.run(together)
    return lanes, report


def test_environments_are_rehearsed_beside_each_other_and_steps_alone_are_not() -> None:
    both = threading.Barrier(2)
    seen: list[str] = []

    def meet(_: Any) -> Any:
        both.wait(5)
        seen.append("met")
        yield "met"

    def alone(_: Any) -> Any:
        seen.append("alone")
        yield "alone"

    lanes, report = run(
        step("first", "dev", alone, alone=True),
        step("a", "dev", meet),
        step("b", "prod", meet),
        step("last", "prod", alone, alone=True),
    )
    assert lanes.failure is None
    assert seen == ["alone", "met", "met", "alone"]
    assert {entry.outcome for entry in report.entries} == {"ok"}


@pytest.mark.parametrize("error", [Failed("no"), AssertionError("no")], ids=["a check", "an error"])
def test_the_first_failure_ends_everything(error: Exception) -> None:
    def fail(_: Any) -> Any:
        raise error
        yield

    lanes, report = run(step("a", "dev"), step("b", "dev", fail), step("c", "dev"), step("d", "prod", alone=True))
    assert lanes.failure is not None
    assert lanes.failure[0].name == "b"
    assert "no" in str(lanes.failure[1])
    assert [(entry.name, entry.outcome) for entry in report.entries] == [("a", "ok"), ("b", "FAILED")]


def test_the_report_has_all_steps_in_their_order_and_what_they_have_done() -> None:
    report = Report(["first", "second", "never"])
    for name, created in (("second", 2), ("first", 0)):
        with report.step(name, f"the {name} one") as entry:
            entry.resources += applied(f"Resources: {created} added, 0 changed, 0 destroyed")
            entry.notes.append("seen")
    rows = [line.split(maxsplit=6) for line in report.table(["name"]).splitlines()[3:5]]
    assert [row[:4] for row in rows] == [["the", "first", "one", "ok"], ["the", "second", "one", "ok"]]
    assert [row[-1] for row in rows] == ["seen", "2 created; seen"]
    assert not report.is_complete


def test_up_to_a_step_means_the_steps_of_its_environment() -> None:
    assert [step.name for step in steps.until("prod-publish")] == ["bootstrap", "prod-infrastructure", "prod-publish"]
    assert steps.until("leftovers") == steps.STEPS


def test_a_check_tells_what_it_has_found() -> None:
    check([1], "there is one")
    with pytest.raises(Failed, match="there is one") as failed:
        check([], "there is one", {"found": 0})
    assert failed.value.details == ("{'found': 0}",)


def test_of_requests_that_are_sent_all_the_time_each_failure_is_kept() -> None:
    answers = iter([Answer(200, {}, b'{"version": "1"}'), Answer(503, {}, b"no"), ConnectionResetError("gone")])

    def send() -> Answer:
        answer = next(answers, Answer(200, {}, b"{}"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Steady(send, 60) as requests:
        engine.wait_for(lambda: len(requests.contents) >= 2, "requests go on after a failure")
    assert requests.contents[0] == {"version": "1"}
    assert requests.failures == ["503: b'no'", "ConnectionResetError: gone"]
    assert not requests.is_exhausted


def test_requests_that_are_sent_all_the_time_end_by_themselves() -> None:
    with Steady(lambda: Answer(200, {}, b"{}"), 0.5) as requests:
        engine.wait_for(lambda: requests.is_exhausted, "they end")
    assert requests.is_exhausted


def state_of_tree() -> str:
    told = [
        subprocess.run(("git", *command), cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for command in (("status", "--porcelain"), ("rev-parse", "HEAD"))
    ]
    return "".join(told)


def test_the_clone_has_what_is_here_and_leaves_it_alone(tmp_path: Path) -> None:
    before = state_of_tree()
    checkout = Checkout(tmp_path / "clone")
    assert (checkout.path / "tests" / "rehearsal" / "test_parts.py").read_text() == Path(__file__).read_text()
    assert list(checkout.path.glob("terraform/*/*_override.tf"))
    for values in checkout.path.glob("terraform/environments/*/application.tfvars"):
        assert len(re.findall(r"^  architecture = \"(x86_64|arm64)\"$", values.read_text(), re.MULTILINE)) == 1
    second, broken = checkout.write_second(), checkout.write_broken()
    assert len({checkout.first, second, broken}) == 3
    assert SECOND_VERSION in (checkout.path / "service" / "__init__.py").read_text()
    status = subprocess.run(
        ("git", "status", "--porcelain"), cwd=checkout.path, capture_output=True, text=True, check=True
    )
    assert status.stdout == ""
    assert state_of_tree() == before


def test_the_second_migration_follows_the_last_one(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "clone")
    checkout.write_second()
    names = sorted(path.name for path in checkout.path.glob("service/database/migrations/[0-9]*.sql"))
    assert names[-1].endswith("_rehearsed.sql")
    assert len({name[:4] for name in names}) == len(names)


def rehearse(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "tests.rehearsal", *arguments),
        cwd=ROOT,
        env={"PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_steps_are_listed() -> None:
    assert [line.split()[0] for line in rehearse("--list").stdout.splitlines()] == [step.name for step in steps.STEPS]


def test_a_machine_that_lacks_a_program_is_told_so(tmp_path: Path) -> None:
    done = rehearse(path=str(tmp_path))
    assert done.returncode == 2
    assert "docker, git, jq, make, terraform on the PATH" in done.stderr
    assert len(done.stderr.splitlines()) == 1
