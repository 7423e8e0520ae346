"""The one comment on a pull request: made once, updated afterwards, and nobody else's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.scripts.conftest import Surroundings

COMMENTS = "/repos/owner/name/issues/7/comments"
BOT = "github-actions[bot]"


class GitHub(ThreadingHTTPServer):
    """The part of GitHub's REST API that comments are made with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, login: str, body: str) -> None:
        """Write a comment as somebody."""
        url = f"{self.url}/repos/owner/name/issues/comments/{len(self.comments)}"
        self.comments.append({"url": url, "user": {"login": login}, "body": body})


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        assert target.path == COMMENTS
        query = {name: int(values[0]) for name, values in parse_qs(target.query).items()}
        first = (query["page"] - 1) * query["per_page"]
        self._answer(self.server.comments[first : first + query["per_page"]])

    def do_POST(self) -> None:
        assert self.path == COMMENTS
        if self.server.status == 200:
            self.server.add(BOT, self._body())
        self._answer({})

    def do_PATCH(self) -> None:
        self.server.comments[int(self.path.rpartition("/")[2])]["body"] = self._body()
        self._answer({})

    def _body(self) -> str:
        text: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return text

    def _answer(self, answer: Any) -> None:
        self.server.tokens.add(self.headers.get("Authorization"))
        body = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def github(surroundings: Surroundings) -> Iterator[GitHub]:
    with GitHub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        surroundings.environ |= {
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_TOKEN": "token-of-the-workflow",
            "PULL_REQUEST": "7",
        }
        yield server
        server.shutdown()


def bodies(github: GitHub, login: str = BOT) -> list[str]:
    return [comment["body"] for comment in github.comments if comment["user"]["login"] == login]


def test_the_plan_and_later_the_url_stand_in_one_comment(surroundings: Surroundings, github: GitHub) -> None:
    assert surroundings.run("comment", PLAN="2 to create").returncode == 0
    (first,) = bodies(github)
    assert "2 to create" in first
    assert "not deployed yet" in first
    assert surroundings.run("comment", PLAN="2 to create", URL="https://api.example.com/dev").returncode == 0
    (second,) = bodies(github)
    assert "2 to create" in second
    assert "It serves at <https://api.example.com/dev>." in second
    assert github.tokens == {"Bearer token-of-the-workflow"}


def test_it_is_found_among_more_comments_than_fit_on_a_page(surroundings: Surroundings, github: GitHub) -> None:
    for number in range(150):
        github.add("ada", f"comment {number}")
    surroundings.run("comment", PLAN="old")
    surroundings.run("comment", PLAN="new")
    (body,) = bodies(github)
    assert "new" in body


def test_what_somebody_else_wrote_stays_as_it_is(surroundings: Surroundings, github: GitHub) -> None:
    copy = "<!-- headgate dev -->\nmine"
    github.add("mallory", copy)
    surroundings.run("comment", PLAN="a plan")
    assert bodies(github, "mallory") == [copy]
    assert len(bodies(github)) == 1


def test_each_environment_has_its_own(surroundings: Surroundings, github: GitHub) -> None:
    surroundings.run("comment", PLAN="a plan")
    surroundings.run("comment", PLAN="another", ENVIRONMENT="prod")
    assert [body.splitlines()[1] for body in bodies(github)] == ["### dev", "### prod"]


def test_a_plan_of_any_size_and_alphabet_is_told_as_far_as_github_takes_it(
    surroundings: Surroundings, github: GitHub
) -> None:
    plan = 'ä "$(exit 1)" `\\ \n' * 6_000
    done = surroundings.run("comment", PLAN=plan)
    assert done.returncode == 0, done.stderr
    (body,) = bodies(github)
    assert plan[:50_000] in body
    assert len(body) < 65_536


def test_what_github_refuses_fails(surroundings: Surroundings, github: GitHub) -> None:
    github.status = 403
    done = surroundings.run("comment", PLAN="a plan")
    assert done.returncode != 0
    assert "403" in done.stderr
    assert "token-of-the-workflow" not in done.stdout + done.stderr
