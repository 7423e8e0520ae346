"""What the service is told about Fullbay. Part of `service/config.py`, which gives it the environment to read."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from service.variables import Reader

DEFAULT_SHOP = "default"  # whose key is FULLBAY_API_KEY
IP_SERVICES = ("https://checkip.amazonaws.com", "https://api.ipify.org", "https://ipv4.icanhazip.com")

_KEY = "FULLBAY_API_KEY"
_SHOP = re.compile("[A-Z0-9_]{1,63}")


@dataclass(frozen=True)
class FullbayConfig:
    """Where Fullbay is, how it is read, and the keys of the environment. Fields are named after their variables."""

    api_base_url: str = "https://api.fullbay.com"
    api_version: str = "v1"
    app_base_url: str = "https://app.fullbay.com"
    keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # shop and key
    secret_name: str | None = None
    region: str | None = None
    server_ip: str | None = None
    ip_services: tuple[str, ...] = IP_SERVICES
    lookback_days: int = 6  # with today they are one window
    overlap_seconds: int = 300
    page_size: int = 100
    timeout_seconds: float = 30.0
    invoices_timeout_seconds: float = 600.0
    pause_ms: int = 300
    max_retries: int = 100


def is_key(text: str) -> bool:
    """Return whether a text can be a key: what a header takes, so that no library has to complain and quote it."""
    return re.fullmatch(r"[\x21-\x7e]{1,1024}", text) is not None


def load(read: Reader) -> FullbayConfig:
    """Read the variables of Fullbay."""
    version = read.text("FULLBAY_API_VERSION") or "v1"
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", version):
        read.refuse("FULLBAY_API_VERSION must be a part of a path, such as v1")
    return FullbayConfig(
        api_base_url=_url(read, "FULLBAY_API_BASE_URL") or FullbayConfig.api_base_url,
        api_version=version,
        app_base_url=_url(read, "FULLBAY_APP_BASE_URL") or FullbayConfig.app_base_url,
        keys=_keys(read),
        secret_name=_secret_name(read),
        region=read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION"),
        server_ip=_server_ip(read),
        ip_services=read.urls("FULLBAY_IP_SERVICES", IP_SERVICES),
        lookback_days=read.integer("FULLBAY_LOOKBACK_DAYS", 6, 1, 366),
        overlap_seconds=read.integer("FULLBAY_OVERLAP_SECONDS", 300, 0, 86_400),
        page_size=read.integer("FULLBAY_PAGE_SIZE", 100, 1, 1000),
        timeout_seconds=read.number("FULLBAY_TIMEOUT_SECONDS", 30, 0.1, 900),
        invoices_timeout_seconds=read.number("FULLBAY_INVOICES_TIMEOUT_SECONDS", 600, 0.1, 3600),
        pause_ms=read.integer("FULLBAY_PAUSE_MS", 300, 0, 60_000),
        max_retries=read.integer("FULLBAY_MAX_RETRIES", 100, 0, 10_000),
    )


def _secret_name(read: Reader) -> str | None:
    """Read the name of the one secret that holds the keys and the password of the database."""
    name = read.text("SECRETS_MANAGER_SECRET_NAME")
    if name and not re.fullmatch(r"[A-Za-z0-9/_+=.@:!-]{1,2048}", name):
        read.refuse("SECRETS_MANAGER_SECRET_NAME must be the name or the ARN of a secret")
    return name


def _url(read: Reader, name: str) -> str | None:
    """Read a base URL, which is logged: what else could stand in one is refused."""
    url = read.url(name)
    if url and re.search(r"[@?#\s]", url):
        read.refuse(f"{name} must have no user, query or fragment")
    return url.rstrip("/") if url else None


def _keys(read: Reader) -> tuple[tuple[str, str], ...]:
    keys: dict[str, str] = {}
    for name, key in read.family(_KEY).items():
        shop = DEFAULT_SHOP if name == _KEY else name.removeprefix(f"{_KEY}_").lower()
        if not _SHOP.fullmatch(shop.upper()) or name != name.upper():
            read.refuse(f"{name} must end in the name of a shop in capital letters, digits and underscores")
        elif not is_key(key):
            read.refuse(f"{name} must be one line of ASCII without spaces")
        elif keys.setdefault(shop, key) != key:
            read.refuse(f"{_KEY} and {_KEY}_{DEFAULT_SHOP.upper()} are of one shop and must not differ")
    return tuple(sorted(keys.items()))


def _server_ip(read: Reader) -> str | None:
    address = read.text("FULLBAY_SERVER_IP")
    if address and not is_ipv4(address):
        read.refuse("FULLBAY_SERVER_IP must be an IPv4 address")
    return address


def is_ipv4(text: str) -> bool:
    """Return whether a text is a dotted IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        return False
