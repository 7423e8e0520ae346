"""The AWS CLI for the scripts: the one that is here, or version 1 out of PyPI, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.rehearsal.outcome import Failed
from tests.transports import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements-awscli.txt")


def path() -> str:
    """Return the PATH with an `aws` on it, which is installed at its first use."""
    found = os.environ["PATH"]
    if shutil.which("aws"):
        return found
    version = REQUIREMENTS.read_text().partition("awscli==")[2].split()[0]
    folder = ROOT / ".cache" / "awscli" / version
    if not (folder / "complete").exists():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            str(REQUIREMENTS),
        )
        (folder / "complete").touch()
    return f"{folder / 'bin'}{os.pathsep}{found}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}", done.stderr[-2000:])
