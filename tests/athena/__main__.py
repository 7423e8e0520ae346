"""`python -m tests.athena`: the emulator as a process of its own, to export from with neither AWS nor DuckDB."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time

from tests.athena.emulator import Athena
from tests.athena.faults import KINDS, Fault
from tests.athena.samples import tables

WELCOME = """\
An Athena that is none answers at {url}, with Glue, S3, Secrets Manager and SQS beside it. The tables of its lake:

{tables}

Paste into the terminal that Headgate is started from:

{exports}

Calls appear below; Ctrl-C stops it.
"""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.athena", description=__doc__)
    parser.add_argument("--port", type=int, default=8097, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000, help="of the table of customers")
    parser.add_argument("--environment", default="local", help="what the names of the tables begin with")
    parser.add_argument("--database", default="glue_catalog")
    parser.add_argument("--bucket", default="athena-results-local")
    parser.add_argument("--queue", type=float, default=0.0, metavar="SECONDS", help="that a query waits")
    parser.add_argument("--run", type=float, default=0.0, metavar="SECONDS", help="that a query runs at least")
    parser.add_argument("--page-latency", type=float, default=0.0, metavar="SECONDS", help="of GetQueryResults")
    parser.add_argument("--failures", type=float, default=0.0, metavar="PROBABILITY", help="of a query")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="KIND[:API[:PROBABILITY]]",
        help=f"such as throttle:GetQueryExecution:0.1; kinds: {', '.join(KINDS)}",
    )
    parser.add_argument("--reuse", action="store_true", help="run no query twice")
    parser.add_argument("--quiet", action="store_true", help="no line for each call")
    arguments = parser.parse_args()
    try:
        athena = Athena(
            arguments.database,
            arguments.bucket,
            port=arguments.port,
            seed=arguments.seed,
            page_latency=arguments.page_latency,
            failure_probability=arguments.failures,
            reuses_results=arguments.reuse,
        )
    except OSError as error:
        parser.error(
            f"port {arguments.port} cannot be used ({os.strerror(error.errno or 0)}); --port 0 takes a free one"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with athena:
            _serve(athena, arguments)
    except KeyboardInterrupt:
        print(flush=True)
        os._exit(0)  # Python's own way out aborts where a thread is about to write its line


def _serve(athena: Athena, arguments: argparse.Namespace) -> None:
    athena.queries.queue_seconds, athena.queries.run_seconds = arguments.queue, arguments.run
    made = tables(arguments.rows, arguments.environment)
    for name, table in made.items():
        athena.create_table(name, table)
    exports = [f"  export {name}={shlex.quote(value)}" for name, value in athena.environ.items()]
    named = [f"  {name} ({table.num_rows:,} rows)" for name, table in made.items()]
    print(WELCOME.format(url=athena.url, tables="\n".join(named), exports="\n".join(exports)), flush=True)
    athena.faults = arguments.fault
    athena.serve_forever((lambda *_: None) if arguments.quiet else _log)


def _fault(text: str) -> Fault:
    kind, api, probability = [*text.split(":"), "", ""][:3]
    try:
        return Fault(kind, api or None, times=None, probability=float(probability or 1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _log(api: str, status: int) -> None:
    print(f"{time.strftime('%H:%M:%S')} {api} {status}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
