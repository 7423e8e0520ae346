"""One cold start, in a process of its own: `python -m tests.bench.first_event MODULE`, a Lambda event on its input.

Imports MODULE, hands the event to its `handler`, and prints what that took. The interpreter's own start is not counted.
"""

import json
import sys
import time
from types import SimpleNamespace

UNWANTED = ("boto3", "requests", "sqlglot", "duckdb", "apispec")


def main() -> None:
    """Run the first event and print seconds, status, unwanted modules and VmRSS (kB) as JSON."""
    event = json.load(sys.stdin)
    context = SimpleNamespace(aws_request_id="invocation", get_remaining_time_in_millis=lambda: 30_000)
    started = time.perf_counter()
    module = __import__(sys.argv[1], fromlist=["handler"])
    imported = time.perf_counter()
    answer = module.handler(event, context)
    ended = time.perf_counter()
    with open("/proc/self/status") as file:
        memory = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    result = {
        "import": imported - started,
        "first": ended - imported,
        "status": answer["statusCode"],
        "unwanted": [name for name in UNWANTED if name in sys.modules],
        "memory": memory,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
