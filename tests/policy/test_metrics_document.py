"""The table of metrics in docs/operating.md is the one of the code, and holds what the code measures."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from service.metrics.embedded import NAMESPACE
from service.metrics.prometheus import family_name
from service.metrics.table import COUNT, COUNTER, GAUGE, HISTOGRAM, METRICS, NONE, SECONDS, TABLE

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "operating.md").read_text()
ROW = re.compile(
    r"\| `(?P<name>\w+)` \| (?P<kind>\w+) \| (?P<unit>\w+) \| (?P<dimensions>[\w, ]*)\|"
    r" (?P<means>[^|]+) \| `(?P<told>\w+)` \|"
)
MEASURE = {"increment_counter": (COUNTER,), "record_metric": (GAUGE, HISTOGRAM)}


def rows() -> list[dict[str, str]]:
    section = DOCUMENT.split("\n## Metrics\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    matches = [ROW.fullmatch(line) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches, strict=True) if match is None]
    return [match.groupdict() for match in matches if match]


def calls() -> list[tuple[str, str, set[str]]]:
    """Return what the code measures: the function, the name and the dimensions of each call."""
    found = []
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            function = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if function in MEASURE and isinstance(node, ast.Call):
                name = node.args[0]
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno} has no name of the table"
                given = {word.arg for word in node.keywords if word.arg not in (None, "by")}
                found.append((function, str(name.value), {str(word) for word in given}))
    return found


def test_the_document_has_the_table_of_the_code() -> None:
    described = [
        (
            row["name"],
            row["kind"],
            row["unit"],
            tuple(row["dimensions"].replace(",", " ").split()),
            row["means"],
            row["told"],
        )
        for row in rows()
    ]
    coded = [(*metric[:5], family_name(metric)) for metric in TABLE]
    assert described == coded


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_a_metric_is_one_of_its_kind(metric: object) -> None:
    name, kind, unit, dimensions, meaning, buckets = TABLE[[*TABLE].index(metric)]  # type: ignore[arg-type]
    assert re.fullmatch("([A-Z][a-z]+)+", name)
    assert kind in (COUNTER, GAUGE, HISTOGRAM)
    assert unit in (COUNT, SECONDS, NONE)
    assert (kind == COUNTER) == (unit == COUNT)
    assert all(re.fullmatch("[A-Z][a-z]+", dimension) for dimension in dimensions)
    assert len({dimension.lower() for dimension in dimensions}) == len(dimensions) <= 8
    assert meaning.endswith(".")
    assert list(buckets) == sorted(set(buckets))


def test_no_two_metrics_have_one_name() -> None:
    assert len(METRICS) == len({family_name(metric) for metric in TABLE}) == len(TABLE) > 15


def test_every_measurement_of_the_code_stands_in_the_table_as_its_kind() -> None:
    by_name = {metric.name: metric for metric in TABLE}
    measured = calls()
    assert len(measured) > 10
    for function, name, dimensions in measured:
        assert by_name[name].kind in MEASURE[function], name
        assert dimensions <= set(by_name[name].dimensions), name


def test_every_metric_of_the_table_is_measured_somewhere() -> None:
    assert {metric.name for metric in TABLE} - {name for _, name, _ in calls()} == set()


def test_the_document_names_the_namespace_and_the_scope() -> None:
    assert f"namespace `{NAMESPACE}`" in DOCUMENT
    assert "platform:read" in DOCUMENT
