"""Rules of the house that the source can be checked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SERVICE = sorted((ROOT / "service").rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in SERVICE]
MAX_LINES = 300

# The parts of the whole application that know the request; of a feature only routes.py does.
KNOW_THE_REQUEST = {
    "logs.py",
    "deadline.py",
    "inputs.py",
    "pages.py",
    "errors.py",
    "etags.py",
    "operations.py",
    "security/__init__.py",
}
HEAVY = {
    "boto3",
    "botocore",
    "requests",
    "sqlglot",
    "duckdb",
    "pyarrow",
    "pyiceberg",
    "apispec",
    "jwt",
    "cryptography",
    "yoyo",
    "flask_cors",
    "argon2",
    "prometheus_client",
    "aws_croniter",
    "dateutil",
}

every_module = pytest.mark.parametrize("path", SERVICE, ids=NAMES)


def test_there_is_source_to_check() -> None:
    assert len(SERVICE) > 20


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported, such as `flask.request` for `from flask import request`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def reads_environment(tree: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    accessed = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_os(node.value)}
    return bool(names & accessed) or any(name.startswith("os.") and name[3:] in names for name in imports(tree))


def _is_os(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


@pytest.mark.parametrize("source", ["os.environ['A']", "os.getenv('A')", "from os import environ as e"])
def test_reading_the_environment_is_seen(source: str) -> None:
    assert reads_environment(ast.parse(source))


@pytest.mark.parametrize(
    "path",
    [*SERVICE, ROOT / "docker" / "gunicorn.conf.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_config_reads_the_environment(path: Path) -> None:
    assert reads_environment(tree_of(path)) == (path == ROOT / "service" / "config.py")


@every_module
def test_only_the_gateway_knows_aws_wsgi(path: Path) -> None:
    knows = any(name.split(".")[0] == "awsgi" for name in imports(tree_of(path)))
    assert not knows or path.parent.name == "gateway"


@every_module
def test_nothing_below_the_routes_knows_the_request(path: Path) -> None:
    knows = {"flask.request", "flask.g", "flask.session", "flask.abort"} & set(imports(tree_of(path)))
    name = str(path.relative_to(ROOT / "service"))
    assert not knows or path.name == "routes.py" or name in KNOW_THE_REQUEST


@every_module
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    top = ast.Module([node for node in tree_of(path).body if isinstance(node, (ast.Import, ast.ImportFrom))], [])
    assert not HEAVY & {name.split(".")[0] for name in imports(top)}


@every_module
def test_a_module_is_short_and_begins_with_what_it_is_for(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
    assert ast.get_docstring(tree_of(path)) or not path.read_text()


@every_module
def test_a_module_is_named_after_what_it_holds(path: Path) -> None:
    assert not re.fullmatch("(utils?|helpers?|common|base|misc|tools)", path.stem)


@every_module
def test_every_function_that_others_call_says_what_it_does(path: Path) -> None:
    silent = [
        node.name
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


@every_module
def test_sql_is_never_put_together_from_values(path: Path) -> None:
    """An f-string or a `%` whose text begins like a statement."""
    begins = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH)\s")
    for node in ast.walk(tree_of(path)):
        parts = [node.values[0]] if isinstance(node, ast.JoinedStr) and len(node.values) > 1 else []
        parts += [node.left] if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) else []
        for part in parts:
            text = part.value if isinstance(part, ast.Constant) else ""
            assert not (isinstance(text, str) and begins.match(text)), f"line {node.lineno}"
