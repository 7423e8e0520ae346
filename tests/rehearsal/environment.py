"""One environment while it is rehearsed: its targets are made, its outputs read, its API called."""

from __future__ import annotations

import json
import re
import threading
from functools import cached_property
from typing import Any

from tests.rehearsal import aws
from tests.rehearsal.caller import Caller
from tests.rehearsal.checkout import Checkout
from tests.rehearsal.cloud import Cloud
from tests.rehearsal.outcome import check
from tests.rehearsal.report import Entry, applied
from tests.rehearsal.shell import Shell

STATE_BUCKET = "headgate-rehearsal-state"
SMOKE_SECONDS = "15"  # the database never sleeps here
NOT_DELETED = {("no-op",), ("read",), ("create",), ("update",)}
TERRAFORM = ".github/scripts/terraform"

_building = threading.Lock()  # the second to build finds the layers of the first


class Environment:
    """An environment of the clone, such as dev."""

    def __init__(self, name: str, cloud: Cloud, checkout: Checkout, shell: Shell) -> None:
        self.name, self.cloud, self.checkout, self.shell = name, cloud, checkout, shell
        self.function = f"headgate-{name}"  # the function, and whatever else is called like the environment
        self.entry = Entry("", "")  # of the step at hand
        self.digest = ""  # of the image that was published last
        self.url = ""  # of the API, once it is released

    @cached_property
    def _variables(self) -> dict[str, str]:
        return {
            "ENVIRONMENT": self.name,
            "AWS_REGION": aws.REGION,
            "STATE_BUCKET": STATE_BUCKET,
            "SMOKE_SECONDS": SMOKE_SECONDS,
            "SUMMARY": str(self.cloud.home / f"{self.name}-plan.md"),
        }

    def make(self, target: str, *, code: int = 0, **variables: str) -> str:
        """Make a target of the deployment; note what Terraform did."""
        output = self.shell.make(target, code=code, **self._variables, **variables)
        self.entry.resources += applied(output)
        return output

    def terraform(self, root: str, *command: str) -> str:
        """Run a command of Terraform in a root, as the pipeline does."""
        return self.shell.run(TERRAFORM, root, *command, **self._variables)

    def outputs(self, root: str) -> dict[str, Any]:
        """Return the outputs of a root."""
        text = self.terraform(root, "output", "-json")
        return {name: output["value"] for name, output in json.loads(text[text.index("{") :]).items()}

    def publish(self) -> str:
        """Publish the image of the commit that is checked out; return its digest."""
        with _building:
            output = self.make("publish")
        found = re.findall(r"^digest=(sha256:[0-9a-f]{64})$", output, re.MULTILINE)
        check(len(found) == 1, "publish prints one digest", *found)
        return str(found[0])

    def deletions(self, root: str, **values: str) -> list[str]:
        """Plan a root with values of variables; return the addresses of what the plan deletes or replaces."""
        plan = self.cloud.home / f"{self.name}-{root}.plan"
        told = [f"-var={name}={value}" for name, value in values.items()]
        self.terraform(root, "plan", "-lock=false", f"-out={plan}", *told)
        text = self.terraform(root, "show", "-json", str(plan))
        changes = json.loads(text[text.index("{") :]).get("resource_changes", [])
        return [found["address"] for found in changes if tuple(found["change"]["actions"]) not in NOT_DELETED]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Look into the database, past whoever may do what in it."""
        told = self.outputs("foundation")["database"]
        return self.cloud.databases.of(told["cluster_arn"]).rows(told["name"], statement)

    def live_version(self) -> str:
        """Return the version of the alias, as AWS has it and not as a state says."""
        alias = self.cloud.client("lambda").get_alias(FunctionName=self.function, Name="live")
        return str(alias["FunctionVersion"])

    def caller(self, url: str, token: str | None = None) -> Caller:
        """Return somebody who calls the API."""
        return Caller(url, self.cloud.gateway_port, self.cloud.tls, token)

    def token(self, client_id: str, *scopes: str) -> str:
        """Return a token of a program from Cognito's endpoint, as curl gets it."""
        identity = self.outputs("foundation")["identity"]
        client = self.cloud.client("cognito-idp").describe_user_pool_client(
            UserPoolId=identity["user_pool_id"], ClientId=client_id
        )["UserPoolClient"]
        wanted = " ".join(identity["scope_prefix"] + scope for scope in scopes)
        text = self.shell.run(
            *(
                "curl",
                "--silent",
                "--show-error",
                "--fail-with-body",
                "--user",
                f"{client_id}:{client['ClientSecret']}",
            ),
            *("--data", "grant_type=client_credentials", "--data-urlencode", f"scope={wanted}", identity["token_url"]),
        )
        return str(json.loads(text)["access_token"])
