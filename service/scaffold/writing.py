"""A new feature, from a plan to files: all of them or none.

A copy of the service, below .cache, gets the feature first; what is generated from the routes is generated there, and
what cannot work is found there. Then every file is moved to its place, which needs no space on the disk. Where a move
fails, those before it are undone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from service.scaffold import checkout
from service.scaffold.names import Feature, Refused
from service.scaffold.render import files

GENERATE = "import sys; sys.path.insert(0, sys.argv[1]); from service import published; published.write()"
GENERATED = ("docs/openapi.json", "terraform/application/routes.auto.tfvars.json")
SCOPES = "terraform/foundation/scopes.auto.tfvars.json"  # the same, where the feature has scopes of its own
SECONDS = 60


class Failed(Exception):
    """The feature could not be written, and nothing is left of it."""


@dataclass(frozen=True)
class Plan:
    """The text of every file that a new feature adds, and of those that it changes; and what is generated from them.

    `new` are the files and directories that hold what is added.
    """

    new: tuple[str, ...]
    added: dict[str, str]
    changed: dict[str, str]
    generated: tuple[str, ...]


def plan(root: Path, app: Flask, feature: Feature) -> Plan:
    """Return what a feature means for a checkout. Writes nothing. Raises `Refused`."""
    checkout.check(root)
    checkout.check_free(root, app, feature)
    source = (root / checkout.APP).read_text()
    added = files(feature, checkout.next_number(root))
    migrations = tuple(path for path in added if path.endswith(".sql"))
    return Plan(
        new=(*migrations, f"service/{feature.name}", f"tests/{feature.name}"),
        added=added,
        changed={checkout.APP: checkout.registered(source, feature.name)},
        generated=GENERATED if feature.is_of_users else (*GENERATED, SCOPES),
    )


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep others from writing into a checkout. Raises `Refused` where one does."""
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another command writes into {root}") from None
        yield
    finally:
        os.close(handle)


def carry_out(root: Path, planned: Plan) -> None:
    """Write every file, or none. Raises `Failed`."""
    cache = root / ".cache"
    try:
        cache.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="endpoint-", dir=cache) as name:
            stage = Path(name)
            _copy(root, stage)
            for path, text in (planned.added | planned.changed).items():
                (stage / path).parent.mkdir(parents=True, exist_ok=True)
                (stage / path).write_text(text)
            _format(stage, [*planned.added, *planned.changed])
            _generate(stage)
            _move(stage, root, planned)
    except OSError as error:
        raise Failed(f"{error.strerror}: {error.filename}; nothing was written") from error
    finally:
        with contextlib.suppress(OSError):
            cache.rmdir()  # unless something else is in it


def _copy(root: Path, stage: Path) -> None:
    shutil.copytree(root / "service", stage / "service", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(root / "pyproject.toml", stage)
    for path in (*GENERATED, SCOPES):
        if (root / path).exists():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, stage / path)


def _format(stage: Path, paths: list[str]) -> None:
    """Format the new modules where ruff is there. They are right without it, only longer in a line here and there."""
    ruff = Path(sys.executable).with_name("ruff")
    if ruff.exists():
        modules = [path for path in paths if path.endswith(".py")]
        _run([str(ruff), "format", "--quiet", "--no-cache", *modules], stage)


def _generate(stage: Path) -> None:
    _run([sys.executable, "-B", "-c", GENERATE, str(stage)], stage)


def _run(command: list[str], stage: Path) -> None:
    try:
        done = subprocess.run(command, cwd=stage, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} took more than {SECONDS} seconds; nothing was written") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Failed(f"{Path(command[0]).name} refused the new feature, nothing was written: {last}")


def _move(stage: Path, root: Path, planned: Plan) -> None:
    """Move what is in the stage to its place. No signal interrupts it: it takes no time that anybody would notice."""
    old = stage / "old"
    old.mkdir()
    moved: list[tuple[Path, Path | None]] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        for path in planned.new:
            target = root / path
            if os.path.lexists(target):
                raise Failed(f"{path} has appeared meanwhile; nothing was written")
            (stage / path).rename(target)
            moved.append((target, None))
        for number, path in enumerate((*planned.generated, *planned.changed)):
            target = root / path
            kept = old / str(number) if target.exists() else None
            if kept:
                os.link(target, kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            (stage / path).replace(target)
            moved.append((target, kept))
    except BaseException:
        for target, kept in reversed(moved):
            if kept:
                kept.replace(target)
            elif target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
