"""The documentation's pages, files and document, as any client gets them."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import pytest
from openapi_spec_validator import validate

from service.docs import files
from tests.transports import ROOT, Client, event_v1, event_v2, read_answer

SWAGGER_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REDOC_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self' "
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; "
    "worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASSETS = {
    "favicon.svg": "image/svg+xml",
    "page.css": "text/css; charset=utf-8",
    "redoc-page.js": "text/javascript; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "redoc.standalone.js.LICENSE.txt": "text/plain; charset=utf-8",
    "swagger-page.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
EVERYTHING = ["/docs", "/redoc", "/openapi.json", *(f"/docs/{name}" for name in ASSETS)]
SYNCHRONOUS_ANSWER_BYTES = 6 * 1024 * 1024  # Lambda's limit

both_pages = pytest.mark.parametrize("page", ["/docs", "/redoc"])


class Page(HTMLParser):
    """What a page names and runs. Raises `AssertionError` for script or style that is in the page itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name: value or "" for name, value in attrs}
        assert tag != "style"
        assert tag != "script" or "src" in names
        assert not any(name == "style" or name.startswith("on") for name in names)
        self.names += [value for name, value in names.items() if name in ("src", "href")]


@pytest.mark.parametrize(("page", "policy"), [("/docs", SWAGGER_POLICY), ("/redoc", REDOC_POLICY)])
def test_a_page_has_exactly_this_policy(client: Client, page: str, policy: str) -> None:
    answer = client.get(page, token=None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == policy
    assert answer.headers["referrer-policy"] == "no-referrer"


@both_pages
def test_a_page_names_only_files_of_the_documentation_relative_to_itself(client: Client, page: str) -> None:
    named = Page(client.get(page, token=None).body.decode()).names
    assert {name for name in named if not name.startswith("docs/")} == {"openapi.json"}
    assert {name.removeprefix("docs/") for name in named if name.startswith("docs/")} <= set(ASSETS)


def test_every_file_is_named_by_a_page_or_is_a_licence(client: Client) -> None:
    named = {name for page in ("/docs", "/redoc") for name in Page(client.get(page).body.decode()).names}
    assert {f"docs/{name}" for name in ASSETS if not name.endswith(".LICENSE.txt")} == named - {"openapi.json"}


@pytest.mark.parametrize(("name", "media_type"), ASSETS.items(), ids=ASSETS)
def test_a_file_is_served_as_what_it_is(client: Client, name: str, media_type: str) -> None:
    answer = client.get(f"/docs/{name}", token=None)
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert len(answer.body) > 50


def test_no_other_file_is_listed() -> None:
    assert set(files.ASSETS) == set(ASSETS)


@pytest.mark.parametrize("target", EVERYTHING)
def test_what_is_unchanged_is_not_sent_again(client: Client, target: str) -> None:
    first = client.get(target, token=None)
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-content-type-options"] == "nosniff"
    tag = first.headers["etag"]
    assert re.fullmatch('"[0-9a-f]{32}"', tag)
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(target, token=None, headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    other = client.get(target, token=None, headers={"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)


def test_another_content_has_another_tag(client: Client) -> None:
    assert len({client.get(target).headers["etag"] for target in EVERYTHING}) == len(EVERYTHING)
    assert files.document("/a").tag != files.document("/b").tag


@pytest.mark.parametrize("target", EVERYTHING)
def test_head_tells_what_get_would_send(client: Client, target: str) -> None:
    got, head = client.get(target, token=None), client.request("HEAD", target, token=None)
    changing = ("x-request-id", "date", "connection", "server")
    assert (head.status, head.body) == (200, b"")
    assert [(name, value) for name, value in head.headers.items() if name not in changing] == [
        (name, value) for name, value in got.headers.items() if name not in changing
    ]
    assert int(got.headers["content-length"]) == len(got.body)


@pytest.mark.parametrize(
    "name",
    [
        "unknown.js",
        "SWAGGER-UI.CSS",
        "swagger-ui.css/",
        "swagger-ui.css%00",
        "swagger-ui-bundle.js.map",
        "swagger-ui-standalone-preset.js",
        "swagger.html",
        "redoc",
        "LICENSE",
        "",
        ".",
        "..",
        "../openapi.json",
        "..%2f..%2fapp.py",
        "%2e%2e/%2e%2e/app.py",
        "..%5c..%5capp.py",
        "static/page.css",
        "..%2fstatic%2fpage.css",
        "%2fetc%2fpasswd",
        "%252e%252e%252fapp.py",
        "swagger-ui-dist/swagger-ui.css",
    ],
)
def test_what_is_not_listed_is_not_there(client: Client, name: str) -> None:
    answer = client.get(f"/docs/{name}", token=None)
    assert (answer.status, answer.json()["error"]) == (404, "Not Found")


def test_redoc_asks_its_maker_for_nothing_and_still_names_it(client: Client) -> None:
    original = (files._installed() / "redoc/bundles/redoc.standalone.js").read_bytes()
    assert original.count(files.REDOC_LOGO) == original.count(b"redoc.ly/") == 1
    served = client.get("/docs/redoc.standalone.js").body
    assert served == original.replace(b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"data:,")
    assert b"API docs by Redocly" in served
    assert served.startswith(b"/*! For license information please see redoc.standalone.js.LICENSE.txt */")


def test_swagger_ui_is_served_as_it_was_made(client: Client) -> None:
    made = files._installed() / "swagger-ui-dist"
    for name in (name for name in ASSETS if name.startswith("swagger-ui")):
        assert client.get(f"/docs/{name}").body == (made / name).read_bytes()


def test_the_files_need_no_django(client: Client) -> None:
    files.asset.cache_clear()
    assert client.get("/docs/swagger-ui.css").status == 200
    assert files.asset("swagger-ui.css").content
    assert find_spec("django") is None
    assert files.PACKAGE not in sys.modules


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PACKAGE", "not_installed_anywhere")
    files.asset.cache_clear()
    with pytest.raises(LookupError, match="not_installed_anywhere is not installed"):
        files.asset("swagger-ui.css")


@pytest.mark.parametrize("target", EVERYTHING)
def test_an_answer_fits_into_what_lambda_may_return(handler: Any, target: str) -> None:
    answer = handler(event_v2("GET", target))
    assert answer["isBase64Encoded"] is False
    assert len(json.dumps(answer)) < SYNCHRONOUS_ANSWER_BYTES / 2


def test_the_document_is_the_committed_one(client: Client) -> None:
    answer = client.get("/openapi.json", token=None)
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document == json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert document["servers"] == [{"url": "/"}]
    validate(document)


@pytest.mark.parametrize(
    ("event", "server"),
    [
        (event_v2("GET", "/openapi.json"), "/"),
        (event_v2("GET", "/openapi.json", stage="prod"), "/prod"),
        (event_v1("GET", "/openapi.json", stage="prod"), "/prod"),
        (event_v2("GET", "/openapi.json", stage="a b"), "/a%20b"),
    ],
    ids=["root", "stage of an HTTP API", "stage of a REST API", "what a URL must encode"],
)
def test_the_document_says_where_its_paths_are(handler: Any, event: dict[str, Any], server: str) -> None:
    committed = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert read_answer(handler(event)).json() == committed | {"servers": [{"url": server}]}
