"""Which route a request takes, against what AWS documents of HTTP APIs."""

from __future__ import annotations

import pytest

from tests.rehearsal.routing import find

KEYS = [
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "ANY /things/{id}",
    "POST /things/{id}",
    "GET /items",
    "GET /items/",
    "GET /entities/{type}/{id+}",
    "GET /entities/{type}/{id}/history",
    "GET /a.b",
]
ROUTES = [{"RouteKey": key} for key in KEYS]


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST", "/things/1", "POST /things/{id}", {"id": "1"}),
        ("PUT", "/things/1", "ANY /things/{id}", {"id": "1"}),
        ("GET", "/items", "GET /items", {}),
        ("GET", "/items/", "GET /items/", {}),
        ("GET", "/entities/Car/A/B", "GET /entities/{type}/{id+}", {"type": "Car", "id": "A/B"}),
        ("GET", "/entities/Car/A/history", "GET /entities/{type}/{id}/history", {"type": "Car", "id": "A"}),
        ("GET", "/entities/Car/A/B/history", "GET /entities/{type}/{id+}", {"type": "Car", "id": "A/B/history"}),
        ("GET", "/axb", "ANY /{proxy+}", {"proxy": "axb"}),
    ],
)
def test_the_most_specific_route_is_taken(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    match = find(reversed(ROUTES), method, path)
    assert match is not None
    assert (match.route["RouteKey"], match.parameters) == (key, parameters)


@pytest.mark.parametrize("path", ["/things/", "/things/1/2", "/thing/1", "/"])
def test_a_variable_is_one_segment_that_is_not_empty(path: str) -> None:
    assert find([{"RouteKey": "GET /things/{id}"}], "GET", path) is None


def test_default_takes_what_no_other_route_takes() -> None:
    routes = [{"RouteKey": "$default"}, {"RouteKey": "GET /a"}]
    assert [find(routes, "GET", path).route["RouteKey"] for path in ("/a", "/b")] == ["GET /a", "$default"]


def test_head_is_no_get() -> None:
    assert find([{"RouteKey": "GET /a"}], "HEAD", "/a") is None
