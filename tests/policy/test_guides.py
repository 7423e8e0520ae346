"""The commands of the guides: targets, programs, operations and options that there are.

The rehearsal runs those that deploy. What needs a real account is compared with the AWS CLI's own model here.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from service.__main__ import cli

ROOT = Path(__file__).parent.parent.parent
GUIDES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "terraform" / "README.md"]
BLOCK = re.compile(r"^```(?:bash|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Options of the CLI itself, or that it makes of others.
GLOBAL = {"query", "output", "cli-binary-format", "cli-read-timeout", "payload", "no-paginate"}
CUSTOM = {("s3", "cp"), ("s3", "ls"), ("s3", "rm"), ("logs", "tail")}

every_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(guide: Path) -> list[str]:
    return BLOCK.findall(guide.read_text())


def calls(guide: Path, program: str) -> list[list[str]]:
    """Return the words of each call of a program, up to where the next command begins."""
    lines = "\n".join(blocks(guide)).replace("\\\n", " ")
    found = re.findall(rf"(?:^|[|(;&] *|do ){program} ([^#|\n]*)", lines, re.MULTILINE)
    return [[word for word in re.split(r"[\s;]+", text.strip()) if word] for text in found]


@cache
def operations(service: str) -> dict[str, set[str]]:
    """Return the options of each operation of a service, as the CLI names them."""
    model = botocore.session.get_session().get_service_model("s3" if service == "s3api" else service)
    named: dict[str, set[str]] = {}
    for name in model.operation_names:
        shape: Any = model.operation_model(name).input_shape
        options = set(shape.members) if shape else set()
        named[xform_name(name, "-")] = {xform_name(option, "-") for option in options}
    return named


@every_guide
def test_blocks_are_bash(guide: Path) -> None:
    for block in blocks(guide):
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert checked.stderr == "", block


@every_guide
def test_targets_are_there(guide: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {call[0] for call in calls(guide, "make") if "=" not in call[0]}
    named |= set(re.findall(r"`make ([a-z]+)[ `]", guide.read_text()))
    assert named <= targets
    assert "infrastructure" in targets


@every_guide
def test_scripts_are_there(guide: Path) -> None:
    for name in re.findall(r"\.github/scripts/([a-z-]+)", guide.read_text()):
        assert (ROOT / ".github" / "scripts" / name).is_file(), name


@every_guide
def test_the_aws_cli_knows_each_call(guide: Path) -> None:
    for service, operation, *words in calls(guide, "aws"):
        if (service, operation) in CUSTOM or operation == "wait":
            continue
        assert operation in operations(service), f"{service} {operation}"
        for option in (word.removeprefix("--") for word in words if word.startswith("--")):
            positive = option.removeprefix("no-")
            known = operations(service)[operation] | GLOBAL
            assert option in known or positive in known, f"{service} {operation} --{option}"


@every_guide
def test_the_service_knows_each_command(guide: Path) -> None:
    for words in calls(guide, r"(?:\S+/)?python -m service"):
        group: Any = cli
        for word in words:
            if not hasattr(group, "commands") or word.startswith(("-", "<", "…")):
                break
            if group.commands.get(word) is None and group is not cli:
                break  # an argument: `exports` lists, `exports show RUN` shows
            assert word in group.commands, shlex.join(words)
            group = group.commands[word]


def test_the_guides_have_what_is_looked_for() -> None:
    deploying, operating = (ROOT / "docs" / name for name in ("deploying.md", "operating.md"))
    assert len(calls(deploying, "aws")) > 10
    assert len(calls(operating, "aws")) > 3
    assert len(calls(deploying, "make")) > 8
    assert len(calls(operating, "python -m service")) > 8
