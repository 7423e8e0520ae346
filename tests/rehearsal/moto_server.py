"""moto as a server, with what it gets wrong here put right. Each correction names its reason.

What an override file of Terraform can bridge is bridged there (`overrides/`).
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import unquote

from moto.apigatewayv2 import urls as gateway_urls
from moto.apigatewayv2.responses import ApiGatewayV2Response
from moto.athena.responses import AthenaResponse
from moto.awslambda.models import EventSourceMapping, LambdaFunction
from moto.cognitoidp.responses import CognitoIdpResponse
from moto.core.responses import EmptyResult
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.rds.models import DBProxyTargetGroup, MasterUserSecret, RDSBackend
from moto.s3.models import FakeBucket
from moto.server import main
from moto.sqs.models import Queue


def correct() -> None:
    """Put right what would be seen as a fault of the deployment."""
    correct_functions()
    correct_queues()
    correct_buckets()
    correct_rules()
    correct_databases()
    correct_user_pools()
    correct_gateways()
    correct_work_groups()


def correct_functions() -> None:
    """Keep versions apart, and mappings with their alias."""
    update = LambdaFunction.update_function_code

    def update_apart(self: LambdaFunction, updated: dict[str, Any]) -> dict[str, Any]:
        # Published versions share this dictionary with $LATEST: the old version would run the new image.
        self.code = dict(self.code)
        return update(self, updated)

    LambdaFunction.update_function_code = update_apart
    # A mapping to an alias would stay with the version that the alias names when the mapping is made.
    EventSourceMapping.function_arn = property(lambda self: self.function_name, lambda *_: None)


def correct_queues() -> None:
    """Keep messages for those who take them, and what a queue is told."""
    # moto would run the function itself, in images of its own, while the sender of the message waits. Here messages
    # wait until `delivery` takes them to the function.
    Queue.lambda_event_source_mappings = property(lambda _: {}, lambda *_: None)
    # It does not tell this attribute, and the AWS provider waits for it for ever.
    Queue.BASE_ATTRIBUTES = [*Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]
    Queue.redrive_allow_policy = None
    set_attributes = Queue._set_attributes

    def set_some(self: Queue, attributes: dict[str, Any], now: float | None = None) -> None:
        # Setting any other attribute would take the policy away.
        policy = getattr(self, "policy", None)
        set_attributes(self, attributes, now)
        if "Policy" not in attributes:
            self.policy = policy
        self.redrive_allow_policy = self.redrive_allow_policy or None  # an attribute that was emptied is not told

    Queue._set_attributes = set_some


def correct_buckets() -> None:
    """Read policies with their conditions."""
    permission = FakeBucket.get_permission

    def permission_of_some(self: FakeBucket, action: str, resource: str) -> Any:
        # Conditions are overlooked: "nobody without TLS" would be nobody.
        kept = self.policy
        try:
            self.policy = _without_conditions(kept)
            return permission(self, action, resource)
        finally:
            self.policy = kept

    FakeBucket.get_permission = permission_of_some


def correct_rules() -> None:
    """Transform events as the target of a rule says."""
    send, parse = Rule.send_to_targets, EventTemplateParser.parse

    def send_transformed(self: Rule, event: Any, transform_input: bool = True) -> None:
        # Events of buckets would come to their targets as they are, whatever the target's transformer says.
        send(self, {"ingestion-time": event["time"], **event}, transform_input=True)

    def parse_quoted(input_template: str | None, input_paths_map: dict[str, str], event: dict[str, Any]) -> Any:
        # A text whose place in a template has no quotes would not get them.
        for name in input_paths_map or {}:
            input_template = input_template and input_template.replace(f":<{name}>", f':"<{name}>"')
        return parse(input_template, input_paths_map, event)

    EventTemplateParser.parse = staticmethod(parse_quoted)
    Rule.send_to_targets = send_transformed


def correct_databases() -> None:
    """Tell the master user by its name, and keep what a proxy says to each session."""

    def credentials(self: MasterUserSecret) -> str:
        # The secret would be of a user "admin", whoever the master user is.
        return json.dumps({"username": self.resource.master_username, "password": "P@55w0rd!"})

    MasterUserSecret._generate_secret_string = credentials
    pool, modify = DBProxyTargetGroup.connection_pool_config, RDSBackend.modify_db_proxy_target_group

    def modify_whole(self: RDSBackend, proxy_name: str, config: dict[str, Any]) -> DBProxyTargetGroup:
        # The initial query would be forgotten.
        group = modify(self, proxy_name, config)
        group.init_query = config.get("InitQuery", group.init_query)
        return group

    RDSBackend.modify_db_proxy_target_group = modify_whole
    DBProxyTargetGroup.init_query = ""
    DBProxyTargetGroup.connection_pool_config = property(lambda self: {**pool.fget(self), "InitQuery": self.init_query})


def correct_user_pools() -> None:
    """Let the resource server of a pool be deleted."""

    def delete_resource_server(self: CognitoIdpResponse) -> EmptyResult:
        pool = self.backend.describe_user_pool(self._get_param("UserPoolId"))
        pool.resource_servers.pop(self._get_param("Identifier"), None)
        return EmptyResult()

    CognitoIdpResponse.delete_resource_server = delete_resource_server


def correct_gateways() -> None:
    """Let a stage be changed, and the settings of a route that is no more be taken from it."""

    def update_stage(self: ApiGatewayV2Response) -> tuple[int, dict[str, str], str]:
        _, _, _, api, _, name = unquote(self.path).split("/")
        stage, changes = self.apigatewayv2_backend.get_stage(api, name), json.loads(self.body)
        changes["routeSettings"] = stage.route_settings | changes.get("routeSettings", {})
        stage.__init__(self.apigatewayv2_backend.get_api(api), stage.config | changes)
        return 200, {}, json.dumps(stage.to_json())

    def delete_route_settings(self: ApiGatewayV2Response) -> EmptyResult:
        _, _, _, api, _, name, _, route = unquote(self.path).split("/", 7)
        self.apigatewayv2_backend.get_stage(api, name).route_settings.pop(route, None)
        return EmptyResult()

    ApiGatewayV2Response.update_stage = update_stage
    ApiGatewayV2Response.delete_route_settings = delete_route_settings
    path = "{0}/v2/apis/(?P<api_id>[^/]+)/stages/(?P<stage_name>[^/]+)/routesettings/(?P<route_key>.+)$"
    gateway_urls.url_paths[path] = ApiGatewayV2Response.dispatch


def correct_work_groups() -> None:
    """Let a work group of Athena be changed."""

    def update_work_group(self: AthenaResponse) -> str:
        group = self.athena_backend.work_groups[self._get_param("WorkGroup")]
        changes = self._get_param("ConfigurationUpdates") or {}
        results = changes.pop("ResultConfigurationUpdates", {})
        group.configuration |= changes
        group.configuration["ResultConfiguration"] |= results
        group.description = self._get_param("Description") or group.description
        return "{}"

    AthenaResponse.update_work_group = update_work_group


def _without_conditions(policy: bytes | None) -> bytes | None:
    """Return a policy without the statements that hold under conditions only."""
    if policy is None:
        return None
    content = json.loads(policy)
    content["Statement"] = [statement for statement in content["Statement"] if "Condition" not in statement]
    return json.dumps(content).encode() if content["Statement"] else None


if __name__ == "__main__":
    correct()
    main(sys.argv[1:])
