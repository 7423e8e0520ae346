"""A Lambda runtime of its own, for tests: answers with what it was given; raises, sleeps or fails when told to."""

from __future__ import annotations

import json
import os
import time
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def post(path: str, content: object) -> None:
    """Give the runtime API an answer."""
    with urllib.request.urlopen(f"{API}/{path}", json.dumps(content).encode()):
        pass


while True:
    with urllib.request.urlopen(f"{API}/next") as response:
        request_id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    if isinstance(event, dict) and event.get("raise"):
        error = {"errorMessage": event["raise"], "errorType": "Told", "requestId": request_id, "stackTrace": []}
        post(f"{request_id}/error", error)
        continue
    if isinstance(event, dict):
        time.sleep(event.get("sleep", 0))
    told = {"event": event, "environment": dict(os.environ), "process": os.uname().nodename}
    if isinstance(event, dict) and "Records" in event:
        failed = [record["messageId"] for record in event["Records"] if record["body"] == "fail"]
        post(f"{request_id}/response", {"batchItemFailures": [{"itemIdentifier": one} for one in failed]})
        continue
    is_http = isinstance(event, dict) and "rawPath" in event
    answer = {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(told)}
    post(f"{request_id}/response", answer if is_http else told)
