"""The Terraform that tests run: whether it is there, and one command of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.transports import ROOT

TERRAFORM = ROOT / "terraform"
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
ROOTS = [TERRAFORM / "foundation", TERRAFORM / "application"]
ENVIRONMENTS = sorted(path for path in (TERRAFORM / "environments").iterdir() if path.is_dir())

SECONDS = 400  # for one command, on a busy machine
PROGRAM = os.environ.get("TERRAFORM", "terraform")  # as in the Makefile


def why_not() -> str | None:
    """Return why Terraform cannot be run here, None where it can."""
    if shutil.which(PROGRAM) is None:
        return f"there is no program {PROGRAM}"
    return None


def terraform(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a directory, whatever its exit code."""
    environ = {**os.environ, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    command = [PROGRAM, f"-chdir={directory}", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False)


def worked(directory: Path, *arguments: str) -> str:
    """Run a command that must work; return what it printed."""
    done = terraform(directory, *arguments)
    assert done.returncode == 0, f"terraform {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
    return done.stdout
