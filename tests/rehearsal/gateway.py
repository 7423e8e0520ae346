"""API Gateway: HTTP APIs as they stand in the emulated AWS, before functions that the front invokes.

API, stage, routes, authorizers, integrations, CORS and the function's policy are read back; what Terraform has not
made does not work here either. Throttles are not applied. Behind other hosts are Cognito's token endpoint, and what the
function calls beyond AWS.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.exceptions import ClientError

from tests.rehearsal import aws, cognito, cors, routing
from tests.rehearsal.authorizing import Authorizers, NotAuthorized
from tests.rehearsal.outside import HOSTS, Outside
from tests.rehearsal.serving import Request, Response
from tests.transports import event_v2, read_answer

SUFFIX = f".execute-api.{aws.REGION}.amazonaws.com"
INTEGRATION_SECONDS = 30  # HTTP APIs wait no longer
FRESH_SECONDS = 1.0
_FUNCTION = re.compile(r"arn:aws:lambda:[\w-]+:\d+:function:[\w-]+(:[\w$-]+)?")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Api:
    """An API as it was a moment ago."""

    id: str
    cors: dict[str, Any] | None
    stages: dict[str, dict[str, Any]]
    routes: list[dict[str, Any]]
    authorizers: dict[str, dict[str, Any]]
    integrations: dict[str, dict[str, Any]]
    read_at: float


class Gateway:
    """Answers what comes to the hosts of API Gateway and of Cognito."""

    def __init__(self, endpoint: str, moto: str, outside: Outside) -> None:
        self._apis, self._lambda = aws.client("apigatewayv2", endpoint), aws.client("lambda", endpoint)
        self._authorizers = Authorizers(moto)
        self._tokens = cognito.TokenEndpoint(endpoint)
        self._outside = outside
        self._lock = threading.Lock()
        self._known: dict[str, Api] = {}

    def answer(self, request: Request) -> Response:
        """Answer a request to any of the hosts."""
        host = request.headers.get("Host", "").partition(":")[0]
        if host.endswith(cognito.SUFFIX):
            return self._tokens.answer(host.removesuffix(cognito.SUFFIX), request)
        if host in HOSTS:
            return self._outside.answer(host, request)
        api = self._api(host.removesuffix(SUFFIX)) if host.endswith(SUFFIX) else None
        if api is None:
            return _message(404, "Not Found")
        if preflight := cors.preflight(api.cors, request):
            return preflight
        return cors.with_headers(api.cors, request, self._answer(api, request))

    def _answer(self, api: Api, request: Request) -> Response:
        parts = urlsplit(request.target)
        found = _stage_of(api, unquote(parts.path))
        match = routing.find(api.routes, request.method, found[1]) if found else None
        if found is None or match is None:
            return _message(404, "Not Found")
        route = match.route
        try:
            context = self._authorize(api, route, request)
        except NotAuthorized as refused:
            return _message(refused.status, str(refused), [("WWW-Authenticate", refused.challenge)])
        event = _event(api, found[0], match, request)
        if context is not None:
            event["requestContext"]["authorizer"] = {"jwt": context}
        integration = api.integrations[route["Target"].partition("/")[2]]
        return self._invoke(api, integration, route, found[0], event)

    def _authorize(self, api: Api, route: Any, request: Request) -> dict[str, Any] | None:
        if route.get("AuthorizationType", "NONE") == "NONE":
            return None
        authorizer = api.authorizers[route["AuthorizerId"]]
        return self._authorizers.check(authorizer, route.get("AuthorizationScopes", []), request.headers)

    def _invoke(self, api: Api, integration: Any, route: Any, stage: str, event: dict[str, Any]) -> Response:
        match = _FUNCTION.search(integration["IntegrationUri"])
        if match is None or integration.get("PayloadFormatVersion") != "2.0":
            log.error("the integration is none of a function with payload 2.0: %s", integration)
            return _message(500, "Internal Server Error")
        source = f"arn:aws:execute-api:{aws.REGION}:{aws.ACCOUNT}:{api.id}/{stage}/{_source(route['RouteKey'])}"
        if not self._may_invoke(match[0], source):
            log.error("the policy of %s does not allow %s", match[0], source)
            return _message(500, "Internal Server Error")
        started_at = time.monotonic()
        try:
            answer = self._lambda.invoke(FunctionName=match[0], Payload=json.dumps(event))
        except ClientError as error:
            log.error("the function was not invoked: %s", error)
            return _message(500, "Internal Server Error")
        payload = json.load(answer["Payload"])
        if time.monotonic() - started_at > INTEGRATION_SECONDS:
            return _message(503, "Service Unavailable")
        if "FunctionError" in answer:
            log.error("the function raised: %s", payload)
            return _message(500, "Internal Server Error")
        told = read_answer({"isBase64Encoded": False, "body": "", **payload})
        headers = [*told.headers.items(), *(("set-cookie", cookie) for cookie in told.cookies)]
        return Response(told.status, [*headers, ("apigw-requestid", event["requestContext"]["requestId"])], told.body)

    def _may_invoke(self, function: str, source: str) -> bool:
        """Return whether the function's policy lets this route invoke it."""
        try:
            policy = json.loads(self._lambda.get_policy(FunctionName=function)["Policy"])
        except ClientError:
            return False
        return any(
            statement["Effect"] == "Allow"
            and statement["Action"] == "lambda:InvokeFunction"
            and statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
            and statement["Resource"] == function
            and _is_like(statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn", "*"), source)
            for statement in policy["Statement"]
        )

    def _api(self, api_id: str) -> Api | None:
        with self._lock:
            known = self._known.get(api_id)
            if known is None or time.monotonic() - known.read_at > FRESH_SECONDS:
                try:
                    self._known[api_id] = self._read(api_id)
                except ClientError as error:
                    if error.response["Error"]["Code"] != "NotFoundException":
                        raise
                    self._known.pop(api_id, None)
            return self._known.get(api_id)

    def _read(self, api_id: str) -> Api:
        def items(operation: str) -> list[dict[str, Any]]:
            return list(getattr(self._apis, operation)(ApiId=api_id)["Items"])

        routes = items("get_routes")
        wanted = {route["AuthorizerId"] for route in routes if "AuthorizerId" in route}  # moto lists none
        return Api(
            id=api_id,
            cors=self._apis.get_api(ApiId=api_id).get("CorsConfiguration"),
            stages={
                stage["StageName"]: stage
                for stage in items("get_stages")
                if stage.get("AutoDeploy") or stage.get("DeploymentId")
            },
            routes=routes,
            authorizers={found: self._apis.get_authorizer(ApiId=api_id, AuthorizerId=found) for found in wanted},
            integrations={found["IntegrationId"]: found for found in items("get_integrations")},
            read_at=time.monotonic(),
        )


def _stage_of(api: Api, path: str) -> tuple[str, str] | None:
    """Return the stage of a path, and what is below it."""
    name, _, rest = path[1:].partition("/")
    if name in api.stages:
        return name, f"/{rest}"
    return (routing.DEFAULT, path) if routing.DEFAULT in api.stages else None


def _source(route_key: str) -> str:
    """Return a route as it stands in the ARN of who invokes."""
    if route_key == routing.DEFAULT:
        return route_key
    method, _, path = route_key.partition(" ")
    return ("*" if method == "ANY" else method) + path


def _is_like(pattern: str, arn: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, arn) is not None


def _event(api: Api, stage: str, match: routing.Match, request: Request) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name.lower() != "cookie":
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
    cookies = [cookie for line in request.headers.get_all("Cookie", []) for cookie in line.split("; ")]
    parts = urlsplit(request.target)
    event = event_v2(
        request.method,
        request.target,
        headers=headers,
        body=request.body,
        cookies=cookies,
        stage=stage,
        source_ip=request.client,
    )
    context = event["requestContext"]
    path = unquote(parts.path)  # HTTP APIs decode it
    context["http"] |= {"path": path, "userAgent": headers.get("user-agent", "")}
    context |= {"accountId": aws.ACCOUNT, "apiId": api.id, "routeKey": match.route["RouteKey"], "stage": stage}
    context |= {"domainName": f"{api.id}{SUFFIX}", "domainPrefix": api.id, "timeEpoch": int(time.time() * 1000)}
    event |= {"rawPath": path, "routeKey": match.route["RouteKey"]}
    if match.parameters:
        event["pathParameters"] = match.parameters
    if parts.query:
        query: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        event["queryStringParameters"] = query
    return event


def _message(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Response:
    return Response(
        status, [("content-type", "application/json"), *(headers or [])], json.dumps({"message": message}).encode()
    )
