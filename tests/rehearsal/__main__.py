"""Rehearse the whole deployment on this machine.

    make rehearse                              all of it
    python -m tests.rehearsal --until dev-release --keep

Ends with 0 where every step has worked, with 1 where one has not, and with 2 where this machine lacks a program.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

from tests.rehearsal import aws_cli
from tests.rehearsal.checkout import Checkout
from tests.rehearsal.cloud import Cloud, emulated
from tests.rehearsal.environment import Environment
from tests.rehearsal.lanes import Lanes
from tests.rehearsal.outcome import Failed, Interrupted
from tests.rehearsal.report import Report, say
from tests.rehearsal.shell import Shell
from tests.rehearsal.steps import STEPS, Step, until
from tests.transports import ROOT

ENVIRONMENTS = ("dev", "prod")
PROGRAMS = ("bash", "curl", "docker", "git", "jq", "make")


def main() -> int:
    """Run the steps; return the exit code."""
    arguments = _arguments()
    if arguments.list:
        for step in STEPS:
            print(f"{step.name:20} {step.title}")
        return 0
    if missing := _missing():
        print(f"A rehearsal needs {missing}.", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    name = f"headgate-rehearsal-{uuid.uuid4().hex[:6]}"
    logs = (arguments.logs or ROOT / ".cache" / "rehearsal" / time.strftime("%Y%m%d-%H%M%S")).absolute()
    logs.mkdir(parents=True, exist_ok=True)
    steps = until(arguments.until) if arguments.until else STEPS
    try:
        return _rehearse(name, logs, steps, is_kept=arguments.keep)
    except Interrupted:
        say("Interrupted; everything has been stopped and removed.")
    except (AssertionError, Failed) as error:
        say(f"What a rehearsal stands on could not be started: {error}\nLogs: {logs}")
    return 1


def _rehearse(name: str, logs: Path, steps: list[Step], *, is_kept: bool) -> int:
    report, cancelled = Report(step.name for step in steps), threading.Event()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # containers have users of their own
        checkouts = {which: Checkout(folder / which) for which in ENVIRONMENTS}
        source = checkouts["dev"]
        changed = ", with changes that are not committed" if source.is_changed else ""
        heading = [name, f"commit {source.source[:12]}{changed}; logs in {logs}"]
        say("\n".join(heading))
        cloud = stack.enter_context(emulated(name, folder, logs))
        variables = {**cloud.environment(), "PATH": aws_cli.path(), "TMPDIR": str(folder)}
        environments = {
            which: Environment(which, cloud, checkout, Shell(checkout.path, variables, logs, cancelled))
            for which, checkout in checkouts.items()
        }
        lanes = Lanes(environments, report, cancelled)
        stack.callback(_ignore_signals)  # nothing interrupts what is cleaned up after this
        try:
            lanes.run(steps)
        finally:
            _tell(report, heading, lanes, logs)
        if is_kept:
            _keep(cloud, folder)
    return 1 if lanes.failure else 0


def _tell(report: Report, heading: list[str], lanes: Lanes, logs: Path) -> None:
    lines = ["", report.table(heading), ""]
    if lanes.failure:
        step, failed = lanes.failure
        lines.append(f"FAILED at {step.name}: {failed}")
        lines += [f"  {line}" for detail in failed.details for line in detail.splitlines()]
    elif report.is_complete:
        lines.append("Every step has worked.")
    say("\n".join([*lines, f"Logs: {logs}"]), logs / "report.txt")


def _keep(cloud: Cloud, folder: Path) -> None:
    """Wait until somebody has looked at what is there."""
    script = folder / "environment"
    ours = {name: value for name, value in cloud.environment().items() if os.environ.get(name) != value}
    script.write_text("".join(f"export {name}='{value}'\n" for name, value in sorted(ours.items())))
    say(f"\nKept until Ctrl-C. In another terminal: . {script}; cd {folder / 'dev'}")
    with suppress(Interrupted):
        signal.pause()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.rehearsal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--until", choices=[step.name for step in STEPS], metavar="STEP", help="end after this step")
    parser.add_argument("--keep", action="store_true", help="leave everything up at the end, until Ctrl-C")
    parser.add_argument("--list", action="store_true", help="list the steps")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where logs are kept (.cache/rehearsal/<time>)")
    return parser.parse_args()


def _missing() -> str | None:
    """Return what this machine lacks, None where that is nothing."""
    programs = [*PROGRAMS, os.environ.get("TERRAFORM", "terraform")]
    if lacking := [program for program in programs if shutil.which(program) is None]:
        return f"{', '.join(lacking)} on the PATH"
    told = subprocess.run(("docker", "version"), capture_output=True, text=True, timeout=30, check=False)
    return None if told.returncode == 0 else "a Docker Engine that answers"


def _interrupt(number: int, frame: FrameType | None) -> None:
    _ignore_signals()  # once is enough
    raise Interrupted


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
