"""Notes the calls to AWS that the service makes while tests run, and compares them at the end: a plugin of pytest.

Only calls of the service count, not those of the tests: what matters is whose code stands nearest on the stack. A call
without a signature (Cognito's, with the user's own password or token) takes no permission, so it is no action.
Processes that pytest-xdist spreads the suite over tell theirs to the one that began them; those that tests start are
not heard.

Nothing may be asked for that is not in the table of `tests/policy/test_permissions.py`, which is the policy's. After
the whole suite everything in it must have been asked for.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.signers import RequestSigner

ROOT = Path(__file__).parent.parent
# Operations whose permission has another name.
ACTIONS = {"s3:HeadObject": "s3:GetObject", "s3:ListObjectsV2": "s3:ListBucket", "s3:HeadBucket": "s3:ListBucket"}

# The actions that were needed so far, each with the modules of the service that were on the stack.
calls: defaultdict[str, set[str]] = defaultdict(set)

_patches = pytest.MonkeyPatch()
_left_out: set[str] = set()
_complaints: list[str] = []


def pytest_configure() -> None:
    """Listen to what every client of AWS's library sends, and to what it signs for others to send."""
    send, sign = BaseClient._make_api_call, RequestSigner.generate_presigned_url

    def noted_send(client: Any, operation_name: str, parameters: Any) -> Any:
        if client.meta.config.signature_version is not UNSIGNED:
            _note(client.meta.service_model.signing_name, operation_name)
        return send(client, operation_name, parameters)

    def noted_sign(signer: Any, *arguments: Any, operation_name: str, **keywords: Any) -> Any:
        _note(keywords.get("signing_name") or signer._signing_name, operation_name)
        return sign(signer, *arguments, operation_name=operation_name, **keywords)

    _patches.setattr(BaseClient, "_make_api_call", noted_send)
    _patches.setattr(RequestSigner, "generate_presigned_url", noted_sign)


def pytest_unconfigure() -> None:
    _patches.undo()


def _note(service: str, operation: str) -> None:
    """Note an operation where it is the service's code that asks for it."""
    modules = [path for path in _project_files(sys._getframe(2)) if path != "tests/aws_calls.py"]
    if modules and modules[0].startswith("service/"):
        action = f"{service}:{operation}"
        calls[ACTIONS.get(action, action)].update(path for path in modules if path.startswith("service/"))


def _project_files(frame: FrameType | None) -> Iterator[str]:
    """Give the files of this project on the stack, the nearest first."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "service") or path.is_relative_to(ROOT / "tests"):
            yield path.relative_to(ROOT).as_posix()
        frame = frame.f_back


def pytest_deselected() -> None:
    _left_out.add("tests were deselected")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what another process has noted."""
    told = getattr(node, "workeroutput", {})
    _left_out.update(told.get("left_out", ["a process was lost"]))
    for action, modules in told.get("aws_calls", {}).items():
        calls[action].update(modules)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Compare, in the process that began the others; a difference fails the run."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = sorted(_left_out)
        config.workeroutput["aws_calls"] = {action: sorted(modules) for action, modules in calls.items()}
        return
    from tests.policy.test_permissions import BY_CODE

    is_named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.ignore
    is_whole = not (is_named or _left_out or exitstatus or config.option.collectonly)
    _complaints[:] = differences(calls, [(use.action, use.by) for use in BY_CODE], is_whole)
    if _complaints and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _complaints:
        terminalreporter.section("calls to AWS", red=True)
        terminalreporter.write("".join(f"{complaint}\n" for complaint in _complaints))


def differences(asked: Mapping[str, set[str]], needed: Iterable[tuple[str, str]], is_whole: bool) -> list[str]:
    """Return how what was asked for differs from what modules are said to need: actions, each with its module."""
    said = sorted(needed)
    found = [
        f"{action} was asked for by {', '.join(sorted(modules))}; test_permissions.py says nothing of it"
        for action, modules in sorted(asked.items())
        if not modules & {module for name, module in said if name == action}
    ]
    if is_whole:
        found += [
            f"{action} was never asked for by {module}, as test_permissions.py says"
            for action, module in said
            if module not in asked.get(action, set())
        ]
    return found
