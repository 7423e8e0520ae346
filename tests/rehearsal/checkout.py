"""A clone of the repository, in which the rehearsal may do what it likes. The work tree is only read."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

from tests.rehearsal.outcome import check
from tests.transports import ROOT

OVERRIDES = Path(__file__).parent / "overrides"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
SECOND_VERSION = "0.1.0+second"
SECOND_MIGRATION = "CREATE TABLE rehearsed (id integer PRIMARY KEY);\n"


class Checkout:
    """The clone, and the commits that are made in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        _git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder))
        self.source = self.commit_id()
        self.is_changed = self._take_changes()
        for override in sorted(OVERRIDES.glob("*_override.tf")):
            name = override.name.removesuffix("_override.tf")
            root = folder / "terraform" / name
            shutil.copy(override, root if root.is_dir() else folder / "terraform" / "modules" / name)
        with (folder / ".git" / "info" / "exclude").open("a") as file:
            file.write("*_override.tf\n")
        self._build_for_this_machine()
        self.first = self.commit("The commit that is rehearsed")

    def commit_id(self) -> str:
        """Return the id of the commit that is checked out."""
        return _git(self.path, "rev-parse", "HEAD")

    def commit(self, message: str) -> str:
        """Commit everything; return the id."""
        _git(self.path, "add", "--all")
        author = ("-c", "user.name=Rehearsal", "-c", "user.email=rehearsal@example.com", "-c", "commit.gpgsign=false")
        _git(self.path, *author, "commit", "--quiet", "--no-verify", "--allow-empty", "--message", message)
        return self.commit_id()

    def switch_to(self, commit: str) -> None:
        """Check a commit out."""
        _git(self.path, "checkout", "--quiet", commit)

    def discard(self) -> None:
        """Forget what has been changed and not been committed."""
        _git(self.path, "checkout", "--quiet", "--force", "HEAD")

    def write_second(self) -> str:
        """Commit a version that says another number, and has a migration of its own."""
        self.edit("service/__init__.py", r'__version__ = "[^"]+"', f'__version__ = "{SECOND_VERSION}"')
        migrations = self.path / "service" / "database" / "migrations"
        number = max(int(path.name[:4]) for path in migrations.glob("[0-9]*.sql")) + 1
        (migrations / f"{number:04d}_rehearsed.sql").write_text(SECOND_MIGRATION)
        return self.commit("The second version")

    def write_broken(self) -> str:
        """Commit a version that migrates, and then fails its smoke test."""
        self.edit("service/health/routes.py", r'status="healthy"', 'status=1 // 0 and "healthy"')
        return self.commit("A version that does not serve")

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        """Replace what a pattern matches in a file, which it has to."""
        path = self.path / name
        text, count = re.subn(pattern, lambda _: replacement, path.read_text(), flags=re.MULTILINE)
        check(count, f"{name} has nothing that matches {pattern}: the rehearsal has to follow it")
        path.write_text(text)

    def _take_changes(self) -> bool:
        """Take over what is not committed yet; return whether that was anything."""
        changes = subprocess.run(
            ("git", "diff", "--binary", "HEAD"), cwd=ROOT, capture_output=True, check=True, timeout=60
        ).stdout
        if changes:
            subprocess.run(
                ("git", "apply", "--whitespace=nowarn"), cwd=self.path, input=changes, check=True, timeout=60
            )
        new = _git(ROOT, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
        for name in filter(None, new):
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
        return bool(changes or any(new))

    def _build_for_this_machine(self) -> None:
        """Let the function have the architecture of this machine, whichever the environments have."""
        architecture = ARCHITECTURES[platform.machine()]
        for path in sorted(self.path.glob("terraform/environments/*/application.tfvars")):
            name = str(path.relative_to(self.path))
            if re.search(r"^  architecture\b", path.read_text(), re.MULTILINE):
                self.edit(name, r"^  architecture\b.*$", f'  architecture = "{architecture}"')
            else:
                self.edit(name, r"^function = \{$", f'function = {{\n  architecture = "{architecture}"')


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    check(done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip("\n")
