"""The scripts of the deployment, run as they are, with stand-ins for what they call that is not on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.stand_in import BEGINNING

ROOT = Path(__file__).parent.parent.parent
SCRIPTS = ROOT / ".github" / "scripts"
PROGRAMS = ("bash", "curl", "jq")

Run = Callable[..., subprocess.CompletedProcess[str]]


class Surroundings:
    """What the scripts find: `state` is the stand-ins' file, `environ` their environment."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "state.json"
        self._file.write_text(json.dumps(BEGINNING))
        for program in ("aws", "terraform"):
            path = folder / program
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.scripts.stand_in {program} "$@"\n')
            path.chmod(0o755)
        self.environ = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "STAND_IN": str(self._file),
            "ENVIRONMENT": "dev",
            "AWS_REGION": "eu-west-1",
            "STATE_BUCKET": "states",
        }

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._file.read_text())
        return state

    def change(self, **values: Any) -> None:
        """Change parts of the state."""
        self._file.write_text(json.dumps(self.state | values))

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script with a few more variables."""
        return subprocess.run(
            [SCRIPTS / script], env=self.environ | environ, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")
    return Surroundings(tmp_path)
