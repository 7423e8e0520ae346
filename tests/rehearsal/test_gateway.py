"""API Gateway and Cognito's token endpoint as they are emulated, read back from an API that boto3 has made."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.rehearsal import aws, cognito
from tests.rehearsal.caller import Caller
from tests.rehearsal.cloud import Cloud
from tests.rehearsal.conftest import arn

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

ORIGIN = "https://app.example.com"


@dataclass(frozen=True)
class Made:
    """An API with its pool."""

    id: str
    pool: str
    client: str
    secret: str
    domain: str

    @property
    def host(self) -> str:
        return f"{self.id}.execute-api.{aws.REGION}.amazonaws.com"


@pytest.fixture(scope="session")
def api(cloud: Cloud, function: str) -> Made:
    """An API of three routes: one for everybody, one with a variable, one for a scope."""
    idp = cloud.client("cognito-idp")
    pool = idp.create_user_pool(PoolName="gateway")["UserPool"]["Id"]
    idp.create_user_pool_domain(Domain="gateway-test", UserPoolId=pool)
    client = idp.create_user_pool_client(
        UserPoolId=pool,
        ClientName="program",
        GenerateSecret=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["headgate/a", "headgate/b"],
        AllowedOAuthFlowsUserPoolClient=True,
    )["UserPoolClient"]
    apis = cloud.client("apigatewayv2")
    cors = {"AllowOrigins": [ORIGIN], "AllowMethods": ["GET"], "AllowHeaders": ["authorization"], "MaxAge": 600}
    made = apis.create_api(Name="gateway", ProtocolType="HTTP", CorsConfiguration=cors)["ApiId"]
    integration = apis.create_integration(
        ApiId=made,
        IntegrationType="AWS_PROXY",
        IntegrationUri=arn(function, "live"),
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    authorizer = apis.create_authorizer(
        ApiId=made,
        Name="tokens",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={
            "Issuer": f"https://cognito-idp.{aws.REGION}.amazonaws.com/{pool}",
            "Audience": [client["ClientId"]],
        },
    )["AuthorizerId"]
    target = f"integrations/{integration}"
    for key in ("GET /open", "GET /things/{id}", "POST /open"):
        apis.create_route(ApiId=made, RouteKey=key, Target=target)
    apis.create_route(
        ApiId=made,
        RouteKey="GET /closed",
        Target=target,
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["headgate/a"],
    )
    apis.create_stage(ApiId=made, StageName="dev", AutoDeploy=True)
    apis.create_stage(ApiId=made, StageName="idle", AutoDeploy=False)
    cloud.client("lambda").add_permission(
        FunctionName=function,
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{aws.REGION}:{aws.ACCOUNT}:{made}/dev/*",
    )
    domain = f"gateway-test.auth.{aws.REGION}.amazoncognito.com"
    return Made(made, pool, client["ClientId"], client["ClientSecret"], domain)


@pytest.fixture(scope="session")
def caller(cloud: Cloud, api: Made) -> Caller:
    return Caller(f"https://{api.host}/dev", cloud.gateway_port, cloud.tls)


def token(api: Made, *scopes: str, seconds: int = 60, **others: Any) -> str:
    return cognito.sign(api.pool, api.client, list(scopes), seconds, **others)


def test_a_request_becomes_an_event_of_payload_2(caller: Caller, api: Made) -> None:
    headers = {"X-Some": "thing", "Cookie": "a=1; b=2", "User-Agent": "tests"}
    event = caller.get("/things/a%20b?q=1&q=2&e=%C3%A4", headers=headers).json()["event"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "GET /things/{id}"
    assert event["rawPath"] == "/dev/things/a b"
    assert event["rawQueryString"] == "q=1&q=2&e=%C3%A4"
    assert event["queryStringParameters"] == {"q": "1,2", "e": "ä"}
    assert event["pathParameters"] == {"id": "a b"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-some"] == "thing"
    assert event["headers"]["host"] == api.host
    assert "cookie" not in event["headers"]
    context = event["requestContext"]
    assert (context["apiId"], context["stage"], context["domainName"]) == (api.id, "dev", api.host)
    assert context["http"]["method"] == "GET"
    assert context["http"]["userAgent"] == "tests"
    assert "authorizer" not in context


def test_a_body_arrives_as_it_was_sent(caller: Caller) -> None:
    text, binary = caller.post("/open", body="ä").json()["event"], caller.post("/open", body=b"\xff\0").json()["event"]
    assert (text["body"], text["isBase64Encoded"]) == ("ä", False)
    assert (binary["body"], binary["isBase64Encoded"]) == ("/wA=", True)


@pytest.mark.parametrize("target", ["/nothing", "/things/", "/open/", "/closed/x"])
def test_what_no_route_takes_is_not_found(caller: Caller, target: str) -> None:
    answer = caller.get(target)
    assert (answer.status, answer.json()) == (404, {"message": "Not Found"})


def test_a_method_without_a_route_is_not_found(caller: Caller) -> None:
    assert caller.request("HEAD", "/open").status == caller.delete("/open").status == 404


@pytest.mark.parametrize("stage", ["other", "idle"])
def test_a_stage_that_is_not_deployed_is_not_found(cloud: Cloud, api: Made, stage: str) -> None:
    assert Caller(f"https://{api.host}/{stage}", cloud.gateway_port, cloud.tls).get("/open").status == 404


def test_a_token_with_the_scope_is_let_in_and_its_claims_are_told(caller: Caller, api: Made) -> None:
    answer = caller.get("/closed", token=token(api, "headgate/b", "headgate/a"))
    assert answer.status == 200
    told = answer.json()["event"]["requestContext"]["authorizer"]["jwt"]
    assert told["claims"]["scope"] == "headgate/b headgate/a"
    assert told["claims"]["client_id"] == api.client
    assert all(isinstance(value, str) for value in told["claims"].values())


def test_without_a_token_nobody_is_let_in(caller: Caller) -> None:
    answer = caller.get("/closed")
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time()) - 10},
        {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"},
        {"client_id": "another"},
        {"aud": "another"},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=["expired", "of another issuer", "of another client", "for another audience", "not valid yet"],
)
def test_a_token_that_is_wrong_is_not_let_in(caller: Caller, api: Made, change: dict[str, Any]) -> None:
    answer = caller.get("/closed", token=token(api, "headgate/a", **change))
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    "change", [lambda text: text[:-6] + "AAAAAA", lambda _: "nonsense"], ids=["signature", "shape"]
)
def test_a_token_of_nobody_is_not_let_in(caller: Caller, api: Made, change: Any) -> None:
    assert caller.get("/closed", token=change(token(api, "headgate/a"))).status == 401


def test_another_scope_is_forbidden(caller: Caller, api: Made) -> None:
    answer = caller.get("/closed", token=token(api, "headgate/b"))
    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})


def test_a_preflight_is_answered_without_the_function(caller: Caller) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    answer = caller.request("OPTIONS", "/closed", headers=headers)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET"
    assert answer.headers["access-control-max-age"] == "600"
    refused = caller.request("OPTIONS", "/closed", headers=headers | {"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(("origin", "is_allowed"), [(ORIGIN, True), ("https://evil.example.com", False)])
def test_answers_have_the_headers_of_the_api(caller: Caller, origin: str, is_allowed: bool) -> None:
    answer = caller.get("/open", headers={"Origin": origin})
    assert answer.status == 200
    assert ("access-control-allow-origin" in answer.headers) == is_allowed


def test_a_function_that_does_not_let_the_api_in_is_an_error(cloud: Cloud, caller: Caller, function: str) -> None:
    functions = cloud.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    (statement,) = policy["Statement"]
    functions.remove_permission(FunctionName=function, StatementId="api", Qualifier="live")
    try:
        answer = caller.get("/open")
        assert (answer.status, answer.json()) == (500, {"message": "Internal Server Error"})
    finally:
        functions.add_permission(
            FunctionName=function,
            Qualifier="live",
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
        )
    assert caller.get("/open").status == 200


def test_what_the_function_raises_is_not_told(caller: Caller, cloud: Cloud, api: Made) -> None:
    answer = caller.post("/open", body="x" * 100)
    assert answer.status == 200
    apis = cloud.client("apigatewayv2")
    (integration,) = apis.get_integrations(ApiId=api.id)["Items"]
    apis.update_integration(ApiId=api.id, IntegrationId=integration["IntegrationId"], PayloadFormatVersion="1.0")
    try:
        time.sleep(1.1)  # what the gateway knows may be a second old
        assert caller.get("/open").json() == {"message": "Internal Server Error"}
    finally:
        apis.update_integration(ApiId=api.id, IntegrationId=integration["IntegrationId"], PayloadFormatVersion="2.0")
        time.sleep(1.1)


def curl(cloud: Cloud, *arguments: str) -> Any:
    done = subprocess.run(
        ("curl", "--silent", "--show-error", *arguments),
        env=cloud.environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_curl_finds_the_gateway_and_trusts_it(cloud: Cloud, api: Made) -> None:
    assert curl(cloud, f"https://{api.host}/dev/open")["event"]["rawPath"] == "/dev/open"


def grant(cloud: Cloud, api: Made, *arguments: str) -> Any:
    return curl(cloud, f"https://{api.domain}/oauth2/token", *arguments)


def test_a_program_gets_a_token_that_the_gateway_accepts(cloud: Cloud, caller: Caller, api: Made) -> None:
    form = ("--data", "grant_type=client_credentials")
    basic = grant(cloud, api, *form, "--user", f"{api.client}:{api.secret}")
    in_body = ("--data-urlencode", f"client_id={api.client}", "--data-urlencode", f"client_secret={api.secret}")
    one = grant(cloud, api, *form, *in_body, "--data-urlencode", "scope=headgate/b")
    assert basic["token_type"] == "Bearer"
    assert caller.get("/closed", token=basic["access_token"]).status == 200  # all its scopes
    assert caller.get("/closed", token=one["access_token"]).status == 403  # the one that it asked for


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--user", "{client}:wrong"), "invalid_client"),
        (("--user", "nobody:{secret}"), "invalid_client"),
        (("--user", "{client}:"), "invalid_client"),
        (("--user", "{client}:{secret}", "--data", "scope=headgate/c"), "invalid_scope"),
        (("--user", "{client}:{secret}", "--data", "grant_type=password"), "unsupported_grant_type"),
    ],
    ids=["wrong secret", "unknown client", "no secret", "another scope", "another grant"],
)
def test_the_token_endpoint_refuses(cloud: Cloud, api: Made, arguments: tuple[str, ...], error: str) -> None:
    told = [argument.format(client=api.client, secret=api.secret) for argument in arguments]
    if error != "unsupported_grant_type":
        told += ["--data", "grant_type=client_credentials"]
    assert grant(cloud, api, *told) == {"error": error}
