"""What the scripts call, as far as they call it: `terraform` and `aws`, over one file. The rehearsal has the real ones.

    python -m tests.scripts.stand_in terraform|aws ARGUMENT...

The file is JSON, named by STAND_IN, and begins as `BEGINNING`. `calls` is what was done, in order.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

BEGINNING: dict[str, Any] = {
    "calls": [],
    "application": {},  # outputs
    "foundation": {},
    "plans": {},  # what is about to change, as Terraform's JSON has it, by root
    "addresses": [],  # of what is in the foundation's state
    "is_protected": False,
    "migration": {"applied": []},  # what the function answers
    "objects": {},  # of S3
    "passwords": {},  # of Secrets Manager
    "database": None,  # the URL that the Data API leads to
    "asleep": 0,  # how often the Data API answers that the database is about to wake up
}


def terraform(state: dict[str, Any], chdir: str, command: str, *arguments: str) -> None:
    """Run a command. An application with another digest is another version."""
    root = chdir.rpartition("/")[2]
    if command == "apply" and root == "application":
        values = dict(word.split("=", 1) for word in arguments if word.startswith(("image_digest=", "live_version=")))
        outputs = state["application"]
        if outputs.get("image_digest") != values["image_digest"]:
            outputs["version"] = str(int(outputs.get("version", 0)) + 1)
        outputs["image_digest"] = values["image_digest"]
        outputs["live_version"] = values.get("live_version", outputs["version"])
        outputs |= {"function_name": "headgate-dev", "url": state["url"]}
        outputs["smoke"] = {"client_id": "smoke", "user_pool_id": "pool", "token_url": state["url"] + "/oauth2/token"}
        state["calls"].append(f"live {outputs['live_version']}")
    elif command == "plan":
        state["calls"].append(f"plan {root} {' '.join(arguments)}")
        sys.exit(2 if root in state["plans"] else 0)
    elif command == "show":
        print(json.dumps(state["plans"][root]))
    elif command == "destroy":
        state["calls"].append(f"destroy {root} {' '.join(word for word in arguments if word.startswith('-target'))}")
    elif command == "state":
        print("\n".join(state["addresses"]))
    elif command == "output":
        print(json.dumps({name: {"value": value} for name, value in state[root].items()}))


def s3_ls(state: dict[str, Any], address: str) -> None:
    sys.exit(0 if address in state["objects"] else 1)


def s3_cp(state: dict[str, Any], *arguments: str) -> None:
    source, target = [word for word in arguments if word == "-" or word.startswith("s3:")]
    if source == "-":
        state["objects"][target] = sys.stdin.read()
    else:
        print(state["objects"][source], end="")


def s3_rm(state: dict[str, Any], *arguments: str) -> None:
    state["objects"].pop(arguments[-1], None)


def rds_describe_db_clusters(state: dict[str, Any], *_: str) -> None:
    print(state["is_protected"])


def lambda_wait(state: dict[str, Any], *_: str) -> None:
    """The version is active at once."""


def lambda_invoke(state: dict[str, Any], *arguments: str) -> None:
    version = arguments[arguments.index("--qualifier") + 1]
    state["calls"].append(f"{json.loads(sys.stdin.read())['command']} with {version}")
    Path(arguments[-1]).write_text(json.dumps(state["migration"]))
    failed = {"FunctionError": "Unhandled"} if "errorType" in state["migration"] else {}
    print(json.dumps({"StatusCode": 200, **failed}))


def lambda_get_alias(state: dict[str, Any], *_: str) -> None:
    print(json.dumps({"FunctionVersion": state["application"]["live_version"]}))


def lambda_get_function_configuration(state: dict[str, Any], *arguments: str) -> None:
    if int(arguments[-1]) > int(state["application"]["version"]):
        sys.exit(254)


def cognito_idp_describe_user_pool_client(state: dict[str, Any], *_: str) -> None:
    print("secret-of-smoke")


def rds_data_execute_statement(state: dict[str, Any], _: str, request: str) -> None:
    if state["asleep"]:
        state["asleep"] -= 1
        print("An error occurred (DatabaseResumingException): it is resuming", file=sys.stderr)
        sys.exit(254)
    sql = json.loads(Path(request.removeprefix("file://")).read_text())["sql"]
    state["calls"].append(sql)
    import psycopg2  # here, as most calls do without

    connection = psycopg2.connect(state["database"])
    connection.autocommit = True
    connection.cursor().execute(sql)


def secretsmanager_describe_secret(state: dict[str, Any], _: str, secret: str) -> None:
    print(json.dumps({"VersionIdsToStages": {"1": ["AWSCURRENT"]}} if secret in state["passwords"] else {}))


def secretsmanager_get_random_password(state: dict[str, Any], *_: str) -> None:
    print(json.dumps({"RandomPassword": os.urandom(20).hex()}))


def secretsmanager_put_secret_value(state: dict[str, Any], _: str, request: str) -> None:
    value = json.loads(Path(request.removeprefix("file://")).read_text())
    state["passwords"][value["SecretId"]] = value["SecretString"]
    print("{}")


def secretsmanager_get_secret_value(state: dict[str, Any], _: str, secret: str) -> None:
    print(json.dumps({"SecretString": state["passwords"][secret]}))


def main(program: str, *arguments: str) -> None:
    """Do what is asked for, and keep the state."""
    file = Path(os.environ["STAND_IN"])
    state = json.loads(file.read_text())
    try:
        if program == "terraform":
            terraform(state, *arguments)
        else:
            service, operation, *options = arguments
            name = f"{service}_{operation}".replace("-", "_")
            call: Callable[..., None] = globals()[name]
            call(state, *options)
    finally:
        file.write_text(json.dumps(state))


if __name__ == "__main__":
    main(*sys.argv[1:])
