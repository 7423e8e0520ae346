"""What the function calls beyond AWS, under the names that it calls: Fullbay, and who tells it its own address.

A container with those names leads port 443 to the gateway, where TLS ends; from there it is HTTP to the stand-in.
"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from tests.fullbay import Fullbay
from tests.rehearsal.serving import Request, Response

KEY = "key-of-a-rehearsal"
ADDRESS = "203.0.113.9"  # where calls of the function come from, as those who are asked see it
FULLBAY = ("api.fullbay.com", "app.fullbay.com")
ADDRESS_SERVICE = "checkip.amazonaws.com"
HOSTS = (*FULLBAY, ADDRESS_SERVICE)
# Nobody answers there: the lake of moto has no rows that could be sent.
PARTNER = {
    "api_base_url": "https://partner.example.com",
    "client_id": "client-of-a-rehearsal",
    "client_secret": "secret-of-a-rehearsal",
    "token_endpoint": "/oauth/token",
}
WORK_ORDERS, INVOICES = 120, 15


def fullbay() -> Fullbay:
    """Return a Fullbay with a few records, and with one shop's key."""
    sizes = {"work_orders": WORK_ORDERS, "customers": 20, "parts": 0, "invoices": INVOICES, "invoice_days": 5}
    return Fullbay(shops={"default": KEY}, egress_ip=ADDRESS, **sizes)


class Outside:
    """Answers requests to hosts beyond AWS."""

    def __init__(self, fullbay_url: str) -> None:
        self._fullbay = urlsplit(fullbay_url).netloc

    def answer(self, host: str, request: Request) -> Response:
        """Answer a request to one of HOSTS."""
        if host == ADDRESS_SERVICE:
            return Response(200, [("Content-Type", "text/plain")], f"{ADDRESS}\n".encode())
        connection = http.client.HTTPConnection(self._fullbay, timeout=60)
        try:
            connection.request(request.method, request.target, request.body or None, dict(request.headers.items()))
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
