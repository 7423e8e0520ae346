"""A rehearsal as a process: it can be interrupted, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker import engine
from tests.terraform.conftest import terraform as terraform
from tests.transports import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.terraform, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_rehearsal_leaves_nothing(
    docker_engine: None, terraform: None, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        (sys.executable, "-m", "tests.rehearsal", "--until", "bootstrap", "--logs", str(tmp_path / "logs")),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    while "the account" not in (line := process.stdout.readline()):
        assert line, "it ended by itself"
    assert engine.docker("ps", "--quiet", "--filter", f"label=headgate.rehearsal={name}")
    process.send_signal(number)
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Interrupted" in told
    for kind in ("ps --all", "network ls", "volume ls"):
        assert not engine.docker(*kind.split(), "--quiet", "--filter", f"label=headgate.rehearsal={name}")
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert (tmp_path / "logs" / "report.txt").exists()
