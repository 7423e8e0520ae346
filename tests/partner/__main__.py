"""`python -m tests.partner`: the stand-in as a process of its own, to try exports without a partner."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
from collections.abc import Mapping
from typing import Any

from tests.fullbay.draws import Draw
from tests.fullbay.messages import Answer, Request
from tests.partner.faults import KINDS, Faults
from tests.partner.records import MIXED, SUCCESSES, Refuses, dumps
from tests.partner.spellings import BATCH, SPELLINGS
from tests.partner.stand_in import Partner

WELCOME = """\
A partner that is none answers at {url}. Start Headgate with `make run`, then paste into another terminal:

  API_CREDENTIALS={credentials} .venv/bin/python -m service export local_customers_silver

and see the runs, with a token of the service:

  curl -H "Authorization: Bearer $(.venv/bin/python -m service token --scope exports:read)" \
http://127.0.0.1:8080/api/v1/exports

What has arrived is at {url}/_record. Requests appear below; Ctrl-C stops it.
"""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.partner", description=__doc__)
    parser.add_argument("--port", type=int, default=8098, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--client-id", default="client-of-nobody")
    parser.add_argument("--client-secret", default="secret-of-nobody")
    parser.add_argument("--scope", help="what tokens must be asked for")
    parser.add_argument("--token-seconds", type=float, default=3600.0)
    parser.add_argument("--token-uses", type=int, help="requests that a token is good for")
    parser.add_argument("--refuse", type=float, default=0.0, metavar="SHARE", help="of the rows, by what is in them")
    parser.add_argument("--refusing", choices=(BATCH, *SPELLINGS, MIXED), default=BATCH, help="how that is said")
    parser.add_argument("--success", choices=SUCCESSES, default=SUCCESSES[0], help="what else is said")
    parser.add_argument("--max-rows", type=int)
    parser.add_argument("--max-bytes", type=int)
    parser.add_argument("--requests-per-second", type=float)
    parser.add_argument("--retry-after", choices=("none", "seconds", "date"), default="none")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:OPTION[:PROBABILITY]][:NAME=VALUE]",
        help=f"such as status:500:0.1 or throttle:form=date:times=2; kinds: {', '.join(sorted(KINDS))}",
    )
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--fast", action="store_true", help="look at nothing and keep nothing, for benchmarks")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    arguments = parser.parse_args()
    try:
        partner = _open(arguments)
    except OSError as error:
        parser.error(f"port {arguments.port} cannot be used ({error.strerror}); --port 0 takes a free one")
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        credentials = shlex.quote(json.dumps(partner.credentials))
        print(WELCOME.format(url=partner.url, credentials=credentials), flush=True)
        partner.serve_forever((lambda *_: None) if arguments.quiet or arguments.fast else _log)
    except KeyboardInterrupt:
        print(flush=True)
        os._exit(0)  # Python's own way out aborts where a thread is about to write its line


def _open(arguments: argparse.Namespace) -> Partner:
    return Partner(
        seed=arguments.seed,
        client_id=arguments.client_id,
        client_secret=arguments.client_secret,
        scope=arguments.scope,
        token_seconds=arguments.token_seconds,
        token_uses=arguments.token_uses,
        refuses=_refuses(arguments.seed, arguments.refuse),
        refusing=arguments.refusing,
        success=arguments.success,
        max_rows=arguments.max_rows,
        max_bytes=arguments.max_bytes,
        requests_per_second=arguments.requests_per_second,
        retry_after=arguments.retry_after,
        latency=arguments.latency,
        is_fast=arguments.fast,
        faults=Faults.parse(*arguments.fault),
        port=arguments.port,
    )


def _refuses(seed: int, share: float) -> Refuses:
    def refuses(row: Mapping[str, Any]) -> str | None:
        return "the partner does not like it" if Draw(seed, "row", dumps(row)).chance(share) else None

    return refuses


def _log(request: Request, answer: Answer, seconds: float) -> None:
    key = request.headers.get("idempotency-key", "")
    told = f" {key}" if key else ""
    faults = f" [{', '.join(answer.faults)}]" if answer.faults else ""
    sizes = f"{len(request.body):,} bytes in, {len(answer.body):,} out"
    path = f"{request.method} {request.path}{told}"
    print(f"{request.time:%H:%M:%S} {path} {answer.status} {sizes}, {seconds * 1000:.1f} ms{faults}", flush=True)


if __name__ == "__main__":
    main()
