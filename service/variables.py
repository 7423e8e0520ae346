"""Environment variables by kind: reads them from a mapping, and collects what is wrong with them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_URL = re.compile(r"https://[^/]|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$)")


class Reader:
    """Reads variables by kind. `problems` names each that is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def refuse(self, problem: str) -> None:
        self.problems.append(problem)

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def verbatim(self, name: str) -> str | None:
        return self._environ.get(name) or None

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        default = default or choices[0]
        value = (self.text(name) or default).lower()
        if value not in choices:
            self.refuse(f"{name} must be one of {', '.join(choices)}")
            return default
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        text = self.text(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            self.refuse(f"{name} must be a number from {low:g} to {high:g}")
            return default
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.number(name, default, low, high)
        if value != int(value):
            self.refuse(f"{name} must be a whole number")
        return int(value)

    def family(self, name: str) -> dict[str, str]:
        """Return the texts of a variable and of those that add an underscore and something to its name."""
        names = {name, *(other for other in self._environ if other.startswith(f"{name}_"))}
        return {each: text for each in sorted(names) if (text := self.text(each))}

    def words(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple((self.text(name) or "").replace(",", " ").split()) or default

    def origins(self, name: str) -> tuple[str, ...]:
        origins = self.words(name)
        for origin in origins:
            if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", origin):
                self.refuse(f"{name} must list origins such as https://app.example.com, without wildcards or paths")
                break
        return origins

    def host(self, name: str, default: str) -> str:
        host = self.text(name) or default
        if not re.fullmatch(r"[A-Za-z0-9._-]+", host):
            self.refuse(f"{name} must be a host name or an IPv4 address")
        return host

    def base_path(self, name: str) -> str:
        path = (self.text(name) or "").rstrip("/")
        if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
            self.refuse(f"{name} must be a path such as /headgate")
        return path

    def url(self, name: str) -> str | None:
        url = self.text(name)
        if url and not _URL.match(url):
            self.refuse(f"{name} must begin with https:// (http:// only for loopback)")
        return url

    def urls(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        urls = self.words(name, default)
        if not all(map(_URL.match, urls)):
            self.refuse(f"{name} must list URLs that begin with https:// (http:// only for loopback)")
        return urls
