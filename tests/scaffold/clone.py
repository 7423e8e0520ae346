"""A copy of this checkout that tests may write into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.transports import ROOT

IGNORED = (".git", ".venv", ".data", ".cache", ".hypothesis", ".pytest_cache", ".ruff_cache", "__pycache__")


class Clone:
    """The files of this checkout as they are now, sharing its virtual environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*IGNORED), symlinks=True)
        (root / ".venv").symlink_to(Path(sys.prefix))

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the virtual environment in the clone."""
        return subprocess.run(
            self.command(*command),
            cwd=self.root,
            env=self.environment(**environ),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).with_name(program)), *arguments]

    def environment(self, **environ: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environ}

    def new(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m service endpoint new` in the clone."""
        return self.run("python", "-m", "service", "endpoint", "new", *arguments)

    def files(self) -> dict[str, bytes]:
        """Return what stands in each file, but for caches."""
        found = {}
        for directory, names, files in os.walk(self.root):
            names[:] = [name for name in names if name not in (*IGNORED, ".mypy_cache")]
            for file in files:
                path = Path(directory) / file
                found[str(path.relative_to(self.root))] = path.read_bytes()
        return found
