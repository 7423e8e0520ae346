"""What is put right in moto, each seen to matter through the front."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal import aws
from tests.rehearsal.cloud import Cloud

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

TLS_ONLY = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
NOBODY = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::tls-only/secret"}


def test_a_policy_with_a_condition_is_none_that_denies_everybody(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="tls-only", CreateBucketConfiguration={"LocationConstraint": aws.REGION})
    for key in ("open", "secret"):
        s3.put_object(Bucket="tls-only", Key=key, Body=b"x")
    arns = ["arn:aws:s3:::tls-only", "arn:aws:s3:::tls-only/*"]
    policy = {"Version": "2012-10-17", "Statement": [{**TLS_ONLY, "Resource": arns}, NOBODY]}
    s3.put_bucket_policy(Bucket="tls-only", Policy=json.dumps(policy))
    assert s3.get_object(Bucket="tls-only", Key="open")["Body"].read() == b"x"
    with pytest.raises(s3.exceptions.ClientError, match=r"403|Forbidden|Access Denied"):
        s3.get_object(Bucket="tls-only", Key="secret")
    assert json.loads(s3.get_bucket_policy(Bucket="tls-only")["Policy"]) == policy


def test_a_queue_keeps_what_it_is_told(cloud: Cloud) -> None:
    queues = cloud.client("sqs")
    url = queues.create_queue(QueueName="told")["QueueUrl"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": f"arn:aws:sqs:{aws.REGION}:1:told"}
    policy, allowed = json.dumps({"Statement": [statement]}), json.dumps({"redrivePermission": "denyAll"})
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    queues.set_queue_attributes(QueueUrl=url, Attributes={"RedriveAllowPolicy": allowed})
    found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (json.loads(found["Policy"])["Statement"], found["RedriveAllowPolicy"]) == ([statement], allowed)


def test_a_work_group_can_be_changed(cloud: Cloud) -> None:
    athena = cloud.client("athena")
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://a/"}, "EnforceWorkGroupConfiguration": True}
    athena.create_work_group(Name="changed", Description="one", Configuration=configuration)
    changes = {"ResultConfigurationUpdates": {"OutputLocation": "s3://b/"}, "BytesScannedCutoffPerQuery": 10_000_000}
    athena.update_work_group(WorkGroup="changed", ConfigurationUpdates=changes, Description="two")
    found = athena.get_work_group(WorkGroup="changed")["WorkGroup"]
    assert found["Description"] == "two"
    assert found["Configuration"]["ResultConfiguration"]["OutputLocation"] == "s3://b/"
    assert found["Configuration"]["BytesScannedCutoffPerQuery"] == 10_000_000
    assert found["Configuration"]["EnforceWorkGroupConfiguration"] is True


def test_a_stage_can_be_changed(cloud: Cloud) -> None:
    apis = cloud.client("apigatewayv2")
    api = apis.create_api(Name="settings", ProtocolType="HTTP")["ApiId"]
    settings = {key: {"ThrottlingRateLimit": 5.0} for key in ("GET /a/{b}", "GET /c")}
    apis.create_stage(ApiId=api, StageName="dev", RouteSettings=settings, AutoDeploy=True)
    apis.delete_route_settings(ApiId=api, StageName="dev", RouteKey="GET /a/{b}")
    apis.update_stage(ApiId=api, StageName="dev", RouteSettings={"GET /d": {"ThrottlingRateLimit": 7.0}})
    found = apis.get_stage(ApiId=api, StageName="dev")
    assert found["AutoDeploy"] is True
    limits = {key: one["ThrottlingRateLimit"] for key, one in found["RouteSettings"].items()}
    assert limits == {"GET /c": 5.0, "GET /d": 7.0}


def test_a_resource_server_can_be_deleted(cloud: Cloud) -> None:
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="servers")["UserPool"]["Id"]
    cognito.create_resource_server(UserPoolId=pool, Identifier="headgate", Name="Headgate")
    cognito.delete_resource_server(UserPoolId=pool, Identifier="headgate")
    assert not cognito.list_resource_servers(UserPoolId=pool, MaxResults=10)["ResourceServers"]


def test_the_secret_of_the_master_user_names_them(cloud: Cloud) -> None:
    made = cloud.client("rds").create_db_cluster(
        DBClusterIdentifier="named", Engine="aurora-postgresql", MasterUsername="keeper", ManageMasterUserPassword=True
    )["DBCluster"]
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=made["MasterUserSecret"]["SecretArn"])
    assert json.loads(secret["SecretString"])["username"] == "keeper"
