"""The one AWS endpoint: what it hands on, and what it does itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.docker import engine
from tests.rehearsal import aws, outside
from tests.rehearsal.cloud import Cloud
from tests.rehearsal.conftest import arn
from tests.rehearsal.functions import TRUSTED

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def invoke(cloud: Cloud, name: str, event: Any = None, **arguments: str) -> Any:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **arguments)
    return answer, json.load(answer["Payload"])


def test_what_moto_can_moto_does(cloud: Cloud) -> None:
    queues = cloud.client("sqs")
    url = queues.create_queue(QueueName="handed-on")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="ä" * 1000)
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "ä" * 1000
    cloud.client("s3").create_bucket(Bucket="handed-on", CreateBucketConfiguration={"LocationConstraint": aws.REGION})
    cloud.client("s3").put_object(Bucket="handed-on", Key="a b/ä?", Body=b"\0" * 300_000)
    assert len(cloud.client("s3").get_object(Bucket="handed-on", Key="a b/ä?")["Body"].read()) == 300_000


def test_an_unsigned_call_of_cognito_finds_the_pool_of_the_region(cloud: Cloud) -> None:
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="unsigned")["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="c")["UserPoolClient"]["ClientId"]
    body = {"ClientId": client, "Username": "ada@example.com", "Password": "Zebra-crossing-7"}
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.SignUp",
    }
    with urllib.request.urlopen(urllib.request.Request(cloud.endpoint, json.dumps(body).encode(), headers)) as answer:
        assert json.load(answer)["UserSub"]
    assert cognito.admin_get_user(UserPoolId=pool, Username="ada@example.com")


def test_the_registry_of_images_is_the_one_that_docker_reaches(cloud: Cloud) -> None:
    made = cloud.client("ecr").create_repository(repositoryName="some")["repository"]
    assert made["repositoryUri"] == f"{cloud.registry}/some"


@pytest.mark.parametrize(
    ("name", "qualifier", "version", "word"),
    [
        ("talkative", "live", "1", "first"),
        ("talkative", "2", "2", "second"),
        (arn("talkative", "live"), None, "1", "first"),
        ("talkative:2", None, "2", "second"),
        ("talkative", None, "$LATEST", "second"),
    ],
)
def test_a_version_runs_with_its_own_environment(
    cloud: Cloud, function: str, name: str, qualifier: str | None, version: str, word: str
) -> None:
    answer, told = invoke(cloud, name, {"a": 1}, **({"Qualifier": qualifier} if qualifier else {}))
    assert answer["ExecutedVersion"] == version
    assert "FunctionError" not in answer
    assert told["event"] == {"a": 1}
    environment = told["environment"]
    assert environment["WORD"] == word
    assert ("OTHER" in environment) == (word == "second")
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == version
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "talkative"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"


def test_an_alias_that_moves_takes_the_next_invocation_along(cloud: Cloud, function: str) -> None:
    functions = cloud.client("lambda")
    functions.create_alias(FunctionName=function, Name="moving", FunctionVersion="1")
    assert invoke(cloud, function, Qualifier="moving")[0]["ExecutedVersion"] == "1"
    functions.update_alias(FunctionName=function, Name="moving", FunctionVersion="2")
    assert invoke(cloud, function, Qualifier="moving")[0]["ExecutedVersion"] == "2"


def test_what_a_function_raises_is_a_function_error_and_the_container_stays(cloud: Cloud, function: str) -> None:
    first = invoke(cloud, function, Qualifier="1")[1]["process"]
    answer, told = invoke(cloud, function, {"raise": "as told"}, Qualifier="1", LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert (told["errorType"], told["errorMessage"]) == ("Told", "as told")
    assert answer["LogResult"]
    assert invoke(cloud, function, Qualifier="1")[1]["process"] == first


def test_requests_at_once_are_answered_by_several_containers(cloud: Cloud, function: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: invoke(cloud, function, {"sleep": 1}, Qualifier="2")[1], range(6)))
    assert 2 <= len({answer["process"] for answer in answers}) <= 4


def test_the_function_reaches_aws_under_the_address_that_it_is_told(cloud: Cloud, function: str) -> None:
    endpoint = invoke(cloud, function, Qualifier="1")[1]["environment"]["AWS_ENDPOINT_URL"]
    name = next(name for name in cloud.containers.running() if "function-talkative-1" in name)
    engine.docker(
        "exec", name, "python3", "-c", f"import urllib.request as r; r.urlopen('{endpoint}/moto-api/', timeout=5)"
    )


@pytest.mark.parametrize("qualifier", ["7", "nobody"])
def test_a_version_that_is_not_there_is_not_found(cloud: Cloud, function: str, qualifier: str) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        invoke(cloud, function, Qualifier=qualifier)


def test_a_function_may_not_set_what_lambda_sets(cloud: Cloud, image: str, role: str) -> None:
    cloud.client("lambda").create_function(
        FunctionName="greedy",
        PackageType="Image",
        Code={"ImageUri": image},
        Role=role,
        Environment={"Variables": {"AWS_REGION": "eu-west-1"}},
    )
    with pytest.raises(ClientError, match="AWS_REGION"):
        invoke(cloud, "greedy")


def test_a_new_image_leaves_earlier_versions_alone(cloud: Cloud, image: str, role: str) -> None:
    functions = cloud.client("lambda")
    functions.create_function(
        FunctionName="renewed", PackageType="Image", Code={"ImageUri": image}, Role=role, Publish=True
    )
    functions.update_function_code(FunctionName="renewed", ImageUri=f"{cloud.registry}/other@sha256:{'0' * 64}")
    found = [
        functions.get_function(FunctionName="renewed", **which)["Code"]["ImageUri"]
        for which in ({"Qualifier": "1"}, {})
    ]
    assert found == [image, f"{cloud.registry}/other@sha256:{'0' * 64}"]


def test_a_function_that_is_deleted_leaves_no_container(cloud: Cloud, image: str, role: str) -> None:
    functions = cloud.client("lambda")
    functions.create_function(FunctionName="passing", PackageType="Image", Code={"ImageUri": image}, Role=role)
    invoke(cloud, "passing")
    assert any("function-passing" in name for name in cloud.containers.running())
    functions.delete_function(FunctionName="passing")
    assert not any("function-passing" in name for name in cloud.containers.running())


ASK = """
import http.client, ssl, sys
host, path, trusted = sys.argv[1:]
connection = http.client.HTTPSConnection(host, context=ssl.create_default_context(cafile=trusted), timeout=5)
connection.request("GET", path)
print(connection.getresponse().read().decode())
"""


@pytest.mark.parametrize(
    ("host", "path", "told"), [("checkip.amazonaws.com", "/", outside.ADDRESS), ("api.fullbay.com", "/v1/no", "error")]
)
def test_what_is_beyond_aws_is_found_by_its_name_and_trusted(
    cloud: Cloud, function: str, host: str, path: str, told: str
) -> None:
    invoke(cloud, function, Qualifier="1")
    name = next(name for name in cloud.containers.running() if "function-talkative-1" in name)
    assert told in engine.docker("exec", name, "python3", "-c", ASK, host, path, TRUSTED[1])
