"""What a checkout of the repository holds already: the names that are taken, and where a new feature is entered."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from flask import Flask
from werkzeug.exceptions import HTTPException, NotFound

from service.scaffold.names import Feature, Refused
from service.scaffold.render import place_of

APP = "service/app.py"
MIGRATIONS = "service/database/migrations"
PARTS = (APP, MIGRATIONS, "service", "tests", "docs", "pyproject.toml")  # of a checkout, all writable

_CREATED = re.compile(
    r"^\s*CREATE\s+(?:OR\s+REPLACE\s+|UNIQUE\s+|UNLOGGED\s+|MATERIALIZED\s+)*"
    r"(?:TABLE|INDEX|FUNCTION|PROCEDURE|VIEW|TYPE|DOMAIN|SEQUENCE|AGGREGATE|SCHEMA)\s+"
    r"(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?\"?([a-z0-9_]+)",
    re.IGNORECASE | re.MULTILINE,
)
_OF_YOYO = {"yoyo_lock"}  # its other tables begin with _


def check(root: Path) -> None:
    """Raise `Refused` where a directory is no checkout, or one that cannot be written."""
    for part in PARTS:
        if not (root / part).exists():
            raise Refused(f"{root} is no checkout of the repository: it has no {part}")
        if not os.access(root / part, os.W_OK):
            raise Refused(f"{root} cannot be written: {part}")


def check_free(root: Path, app: Flask, feature: Feature) -> None:
    """Raise `Refused` where a name of a feature is taken in a checkout, or in the app that it makes."""
    name = feature.name
    for directory in ("service", "tests"):
        for taken in (f"{directory}/{name}", f"{directory}/{name}.py"):
            if os.path.lexists(root / taken):
                raise Refused(f"{taken} exists")
    relations = _created(root)
    for relation in (name, f"{name}_newest", f"{name}_pkey", f"{feature.singular}_json"):
        if relation in relations:
            raise Refused(f"the migrations create {relation} already")
    if name in app.blueprints:
        raise Refused(f"a blueprint is named {name} already")
    if name in _bound(ast.parse((root / APP).read_text())):
        raise Refused(f"{APP} calls something {name} already")
    _check_classes(root, feature)
    _check_routes(app, feature)


def next_number(root: Path) -> int:
    """Return the number of the next migration."""
    return max((int(path.name[:4]) for path in (root / MIGRATIONS).glob("[0-9][0-9][0-9][0-9]_*.sql")), default=0) + 1


def registered(source: str, name: str) -> str:
    """Return the source of service/app.py with a feature in it. Raises `Refused` where it is not as it was."""
    tree = ast.parse(source)
    made = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "create_app"), None)
    features = [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("service.")
    ]
    if made is None or not features or ast.unparse(made.body[-1]) != "return app":
        raise Refused(f"{APP} has no create_app that ends with `return app`, or imports no feature")
    lines = source.splitlines(keepends=True)
    lines.insert(made.body[-1].lineno - 1, f"    {name}.init_app(app)\n")
    line = f"from service.{name} import routes as {name}\n"
    following = [node.lineno for node in features if place_of(f"from {node.module}") > place_of(line)]
    lines.insert(min(following) - 1 if following else features[-1].end_lineno or 0, line)
    return "".join(lines)


def _created(root: Path) -> set[str]:
    texts = [path.read_text() for path in (root / MIGRATIONS).glob("*.sql")]
    return _OF_YOYO | {name.lower() for text in texts for name in _CREATED.findall(text)}


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to things."""
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return (
        {(alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names}
        | {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    )


def _check_classes(root: Path, feature: Feature) -> None:
    """Schemas are components of one OpenAPI document, by the names of their classes."""
    taken = {
        node.name: path
        for path in sorted((root / "service").rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    for suffix in ("Input", "Output", "List"):
        if (name := feature.title + suffix) in taken:
            raise Refused(f"{taken[name].relative_to(root)} has a class {name} already; --singular changes its name")


def _check_routes(app: Flask, feature: Feature) -> None:
    one = f"{feature.path}/0f8fad5b-d9cb-469f-a165-70867728950e"
    urls = app.url_map.bind("")
    for path in (feature.path, f"{feature.path}/", one):
        try:
            urls.match(path)
        except NotFound:
            continue
        except HTTPException:
            pass  # another method, or a redirect
        raise Refused(f"a route answers at {path} already; --path changes it")
