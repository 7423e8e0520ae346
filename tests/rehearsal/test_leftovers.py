"""What is left in an emulated account is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal import aws, leftovers
from tests.rehearsal.cloud import Cloud, emulated

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def untouched(docker_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account in which nothing has been made."""
    folder = tmp_path_factory.mktemp("untouched")
    with emulated(f"headgate-rehearsal-{folder.parent.name}", folder, folder / "logs") as cloud:
        yield cloud


def test_only_what_bootstrap_makes_is_no_leftover(untouched: Cloud, tmp_path: Path) -> None:
    where = {"LocationConstraint": aws.REGION}
    untouched.client("s3").create_bucket(Bucket="state", CreateBucketConfiguration=where)
    assert leftovers.found(untouched, "state") == []
    untouched.client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration=where)
    untouched.client("sqs").create_queue(QueueName="jobs")
    untouched.client("cognito-idp").create_user_pool(PoolName="people")
    vpc = untouched.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2 = untouched.client("ec2")
    endpoint = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{aws.REGION}.sqs", "VpcEndpointType": "Interface"}
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]]
    kept, gone = (ec2.create_vpc_endpoint(**endpoint, SubnetIds=subnets)["VpcEndpoint"] for _ in range(2))
    ec2.delete_vpc_endpoints(VpcEndpointIds=[gone["VpcEndpointId"]])
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    untouched.client("iam").create_policy(PolicyName="boundary", PolicyDocument=policy)
    found = leftovers.found(untouched, "state")
    assert [one.partition(": ")[0] for one in found] == ["cognito-idp", "ec2", "ec2", "iam", "s3", "sqs"]
    assert {"cognito-idp: people", f"ec2: {vpc}", f"ec2: {kept['VpcEndpointId']}", "iam: boundary", "s3: lake"} < set(
        found
    )
