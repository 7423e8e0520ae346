"""`python -m tests.fullbay`: the stand-in as a process of its own, to try the product without credentials."""

from __future__ import annotations

import argparse
import os
import signal
from urllib.parse import urlencode

from tests.fullbay.faults import KINDS
from tests.fullbay.messages import HIDDEN, Answer, Request
from tests.fullbay.random_faults import Faults
from tests.fullbay.stand_in import ORDERS, Fullbay

KEY = "key-of-nobody"
WELCOME = """\
A Fullbay that is none answers at {url}. Start Headgate with `make run`, then paste into another terminal:

  FULLBAY_API_BASE_URL={url} FULLBAY_API_KEY={key} .venv/bin/python -m service ingest work-orders
  FULLBAY_APP_BASE_URL={url} FULLBAY_API_KEY={key} FULLBAY_SERVER_IP=127.0.0.1 \
.venv/bin/python -m service ingest invoices

and see the runs, with a token of the service:

  curl -H "Authorization: Bearer $(.venv/bin/python -m service token --scope ingestion:read)" \
http://127.0.0.1:8080/api/v1/ingestion/runs

Requests appear below; Ctrl-C stops it.
"""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.fullbay", description=__doc__)
    parser.add_argument("--port", type=int, default=8099, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work-orders", type=int, default=5000)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--invoices", type=int, default=400, help="of each shop")
    parser.add_argument("--invoice-days", type=int, default=60, help="the days up to today that they are on")
    parser.add_argument("--shop", action="append", default=[], metavar="NAME=KEY", help=f"default: default={KEY}")
    parser.add_argument("--page-size-cap", type=int)
    parser.add_argument("--order", choices=ORDERS, default=ORDERS[0])
    parser.add_argument("--sharing", type=int, default=1, help="how many work orders have one updated_at")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:OPTION[:PROBABILITY]][:NAME=VALUE]",
        help=f"such as status:500:0.1 or throttle:form=date:times=2; kinds: {', '.join(sorted(KINDS))}",
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--cached", action="store_true", help="keep pages that were made, for benchmarks")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    arguments = parser.parse_args()
    try:
        fullbay = _open(arguments)
    except OSError as error:
        parser.error(f"port {arguments.port} cannot be used ({error.strerror}); --port 0 takes a free one")
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(WELCOME.format(url=fullbay.url, key=next(iter(fullbay.shops.values()))), flush=True)
        fullbay.serve_forever((lambda *_: None) if arguments.quiet else _log)
    except KeyboardInterrupt:
        print(flush=True)
        os._exit(0)  # Python's own way out aborts where a thread is about to write its line


def _open(arguments: argparse.Namespace) -> Fullbay:
    return Fullbay(
        seed=arguments.seed,
        work_orders=arguments.work_orders,
        customers=arguments.customers,
        parts=arguments.parts,
        invoices=arguments.invoices,
        invoice_days=arguments.invoice_days,
        shops=dict(shop.split("=", 1) for shop in arguments.shop) or {"default": KEY},
        page_size_cap=arguments.page_size_cap,
        order=arguments.order,
        sharing=arguments.sharing,
        latency=arguments.latency,
        is_cached=arguments.cached,
        faults=Faults.parse(*arguments.fault),
        port=arguments.port,
    )


def _log(request: Request, answer: Answer, seconds: float) -> None:
    query = urlencode({name: "***" if name in HIDDEN else value for name, value in request.query.items()}, safe="*:")
    path = f"{request.path}?{query}" if query else request.path
    size = f"{len(answer.body):,} bytes"
    faults = f" [{', '.join(answer.faults)}]" if answer.faults else ""
    line = f"{request.time:%H:%M:%S} {request.method} {path} {answer.status} {size} {seconds * 1000:.1f} ms{faults}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
