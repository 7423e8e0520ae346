"""The documentation in a real browser: at /docs of gunicorn, and of the Lambda handler below a stage of API Gateway."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.apigateway import ApiGateway, serving
from tests.required import skip_without
from tests.transports import Answer, HttpClient

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
METHODS = ("get", "put", "post", "delete", "patch")

pytestmark = pytest.mark.browser
at_the_root = pytest.mark.parametrize("site", ["gunicorn"], indirect=True)  # a stage makes no difference
both_pages = pytest.mark.parametrize("path", ["/docs", "/redoc"])


class Site(NamedTuple):
    """Where a service is: its port, and the stage that its paths are below."""

    port: int
    prefix: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def get(self, path: str) -> Answer:
        return HttpClient(self.port).get(self.prefix + path)

    def operations(self) -> dict[str, tuple[str, str]]:
        """Return method and path of each operation of the document, by its id."""
        paths = self.get("/openapi.json").json()["paths"]
        return {
            item[method]["operationId"]: (method.upper(), path)
            for path, item in paths.items()
            for method in METHODS
            if method in item
        }


class Tab(NamedTuple):
    """A page, what it has asked for, and what the browser has complained of."""

    page: Page
    requests: list[str]
    complaints: list[str]

    def takes_back(self) -> list[str]:
        """Return the complaints so far and forget them."""
        taken = list(self.complaints)
        self.complaints.clear()
        return taken


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skips where there is no browser, unless one is required. It can reach nothing but this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    skip_without("BROWSER", None if found else f"there is no browser: none of {', '.join(BROWSERS)}")
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(params=["gunicorn", "stage"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Each test that takes it runs at the root of gunicorn, and below /prod of API Gateway."""
    if request.param == "gunicorn":
        yield Site(request.getfixturevalue("gunicorn").port, "")
    else:
        with serving(ApiGateway(request.getfixturevalue("handler"), "prod")) as served:
            yield Site(served.port, "/prod")


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """A new profile's page. At its end nothing has been asked of anybody else, and nothing has been complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = Tab(context.new_page(), [], [])
    tab.page.on("request", lambda request: tab.requests.append(request.url))
    tab.page.on(
        "requestfailed",  # aborted is what was still on its way when the page was left
        lambda request: tab.complaints.append(request.url) if request.failure != "net::ERR_ABORTED" else None,
    )
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"error: {error}"))
    tab.page.on(
        "console",
        lambda message: tab.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    yield tab
    context.close()
    own = (f"{site.url}/", f"blob:http://127.0.0.1:{site.port}/", "data:")
    strangers = [url for url in tab.requests if not url.startswith(own)]
    assert (strangers, tab.complaints) == ([], [])


def authorize(page: Page, token: str) -> None:
    page.locator(".auth-wrapper").get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    dialog.get_by_role("textbox").fill(token)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)


def try_out(page: Page, path: str) -> Locator:
    """Open POST on a path in Swagger UI, and what is to be filled in."""
    operation = page.locator(".opblock-post", has=page.locator(f"[data-path='{path}']"))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def test_swagger_ui_lists_every_operation(site: Site, tab: Tab) -> None:
    tab.page.goto(f"{site.url}/docs")
    operations = site.operations()
    blocks = tab.page.locator(".opblock")
    expect(blocks).to_have_count(len(operations))
    listed = {
        (
            block.locator(".opblock-summary-method").inner_text(),
            block.locator(".opblock-summary-path").get_attribute("data-path"),
        )
        for block in blocks.all()
    }
    assert listed == set(operations.values())
    assert len(listed) > 10


def test_redoc_lists_every_operation(site: Site, tab: Tab) -> None:
    tab.page.goto(f"{site.url}/redoc")
    operations = site.operations()
    sections = tab.page.locator("[data-section-id*='/operation/']")
    expect(sections).to_have_count(len(operations), timeout=30_000)
    listed = {str(section.get_attribute("data-section-id")).rpartition("/")[2] for section in sections.all()}
    assert listed == set(operations)


def test_an_event_is_sent_by_try_it_out(site: Site, tab: Tab, token: str, rows: Any) -> None:
    page = tab.page
    page.goto(f"{site.url}/docs")
    authorize(page, token)
    operation = try_out(page, "/api/v1/events")
    with page.expect_response(lambda response: response.request.method == "POST") as sent:
        operation.get_by_role("button", name="Execute").click()
    assert (sent.value.url, sent.value.status) == (f"{site.url}/api/v1/events", 200)
    shown = operation.locator(".live-responses-table")
    expect(shown.locator("tbody .response-col_status")).to_have_text("200")
    answer = json.loads(shown.locator(".response-col_description pre").first.inner_text())
    assert answer["success"] is True
    assert rows("SELECT event_name FROM business_events WHERE id = %s", answer["event_id"]) == [("Car Created",)]


def test_a_token_is_kept_nowhere_and_forgotten_with_the_page(site: Site, tab: Tab, token: str) -> None:
    page = tab.page
    page.goto(f"{site.url}/docs")
    authorize(page, token)
    expect(page.locator(".auth-wrapper .authorize.locked")).to_have_count(1)
    stored = "[document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage)].join()"
    assert token not in page.evaluate(stored)
    page.reload()
    expect(page.locator(".auth-wrapper .authorize.unlocked")).to_have_count(1)


def test_without_a_token_the_refusal_is_shown(site: Site, tab: Tab) -> None:
    page = tab.page
    page.goto(f"{site.url}/docs#/events/events_index")  # a link to one operation opens it
    operation = page.locator(".opblock.is-open")
    expect(operation.locator("[data-path='/api/v1/events']")).to_be_visible()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    shown = operation.locator(".live-responses-table")
    expect(shown.locator("tbody .response-col_status")).to_contain_text("401")
    expect(shown).to_contain_text("www-authenticate")
    *deprecations, refusal = tab.takes_back()
    assert "401" in refusal
    assert all("deep link whitespace" in text for text in deprecations)  # said of any name with a `_`


def test_redoc_finds_an_operation_and_its_place(site: Site, tab: Tab) -> None:
    page = tab.page
    page.goto(f"{site.url}/redoc")
    page.get_by_placeholder("Search...").fill("history")
    found = page.locator("[data-role='search:results'] li", has_text="events that touched an entity")
    expect(found).to_be_visible()
    found.click()
    expect(page).to_have_url(re.compile("#tag/events/operation/events_show_history"))


INTRUDE = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => window.refused.push(event.effectiveDirective));
for (const [name, key, value] of [
    ["script", "text", "window.intruder = 1"],
    ["script", "src", "https://example.com/intruder.js"],
    ["img", "src", "https://example.com/intruder.png"],
    ["iframe", "src", "https://example.com/"],
    ["style", "textContent", "body { display: none }"],
    ["link", "href", "https://example.com/intruder.css"],
]) {
    document.body.append(Object.assign(document.createElement(name), {rel: "stylesheet", [key]: value}));
}
document.body.insertAdjacentHTML("beforeend", "<p onclick='window.intruder = 1' style='color: red'>x</p>");
document.querySelector("body > p").click();
setTimeout("window.intruder = 1");
fetch("https://example.com/").catch(() => {});
"""
REFUSED = ["connect-src", "frame-src", "img-src", "script-src", "script-src-attr", "script-src-elem", "script-src-elem"]
REFUSED += ["style-src-attr", "style-src-elem", "style-src-elem"]


@at_the_root
@both_pages
def test_the_policy_refuses_what_is_not_the_service_s_own(browser: Browser, site: Site, path: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}{path}")
        page.evaluate(INTRUDE)
        page.wait_for_function(f"window.refused.length >= {len(REFUSED)}")
        assert sorted(page.evaluate("window.refused")) == REFUSED
        assert page.evaluate("[window.intruder, getComputedStyle(document.body).display]") == [None, "block"]


@at_the_root
@both_pages
def test_a_telephone_shows_it_without_scrolling_sideways(site: Site, tab: Tab, path: str) -> None:
    tab.page.set_viewport_size({"width": 400, "height": 850})
    tab.page.goto(f"{site.url}{path}")
    expect(tab.page.get_by_role("heading", name="Headgate").first).to_be_visible()
    if path == "/docs":
        try_out(tab.page, "/api/v1/events/bulk")
    assert tab.page.evaluate("document.documentElement.scrollWidth") == 400


@both_pages
def test_without_scripts_the_page_says_where_the_document_is(browser: Browser, site: Site, path: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}{path}")
        page.get_by_role("link", name="openapi.json").click()
        assert page.url == f"{site.url}/openapi.json"
        assert '"openapi":"3.1.0"' in page.content()
