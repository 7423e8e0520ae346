"""What is left in the emulated AWS, service by service: everything that the deployment can have made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.rehearsal.cloud import Cloud

# Service, operation, the key of its list, and the key of a name in it; where the list is of names there is none.
LISTS = [
    ("apigatewayv2", "get_apis", "Items", "Name"),
    ("athena", "list_work_groups", "WorkGroups", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("cognito-idp", "list_user_pools", "UserPools", "Name"),
    ("ec2", "describe_addresses", "Addresses", "AllocationId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("events", "list_rules", "Rules", "Name"),
    ("glue", "get_databases", "DatabaseList", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_cluster_parameter_groups", "DBClusterParameterGroups", "DBClusterParameterGroupName"),
    ("rds", "describe_db_clusters", "DBClusters", "DBClusterIdentifier"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_proxies", "DBProxies", "DBProxyName"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sqs", "list_queues", "QueueUrls", None),
]
ARGUMENTS = {"list_user_pools": {"MaxResults": 60}}
GIVEN = {("athena", "primary"), ("scheduler", "default")}  # what every account has


def found(cloud: Cloud, state_bucket: str) -> list[str]:
    """Return what is left, but for the bucket of the state and what every account has."""
    names = [
        f"{service}: {name}"
        for service, operation, key, of in LISTS
        for name in _names(getattr(cloud.client(service), operation)(**ARGUMENTS.get(operation, {})).get(key, []), of)
        if (service, name) not in GIVEN and not _is_of_aws(name)
    ]
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    names += [f"ec2: {vpc['VpcId']}" for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    gateways = ec2.describe_nat_gateways()["NatGateways"]  # those that are gone are told of for a while, as by AWS
    names += [f"ec2: {nat['NatGatewayId']}" for nat in gateways if nat["State"] != "deleted"]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    names += [f"ec2: {one['VpcEndpointId']}" for one in endpoints if one["State"] != "deleted"]
    names += [f"iam: {policy['PolicyName']}" for policy in iam.list_policies(Scope="Local")["Policies"]]
    return sorted(name for name in names if name != f"s3: {state_bucket}")


def _names(items: Iterable[Any], key: str | None) -> list[str]:
    return [str(item[key] if key else item) for item in items]


def _is_of_aws(name: str) -> bool:
    return name.startswith(("default", "alias/aws/"))
