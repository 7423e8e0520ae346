mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
  mock_resource "aws_rds_cluster" {
    defaults = {
      arn                 = "arn:aws:rds:eu-west-1:123456789012:cluster:headgate-dev"
      cluster_resource_id = "cluster-ABCDEFGHIJKLMNOP"
      endpoint            = "headgate-dev.cluster-abc.eu-west-1.rds.amazonaws.com"
      master_user_secret = [{
        kms_key_id    = "arn:aws:kms:eu-west-1:123456789012:key/1"
        secret_arn    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!cluster-1"
        secret_status = "active"
      }]
    }
  }
  mock_resource "aws_db_proxy" {
    defaults = {
      arn      = "arn:aws:rds:eu-west-1:123456789012:db-proxy:prx-0123456789abcdef0"
      endpoint = "headgate-dev.proxy-abc.eu-west-1.rds.amazonaws.com"
    }
  }
  mock_resource "aws_db_proxy_default_target_group" {
    defaults = { name = "default" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/headgate-dev-proxy" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:headgate-dev/database/user-AbCdEf" }
  }

  override_resource {
    target = aws_security_group.database
    values = { id = "sg-database" }
  }
  override_resource {
    target = aws_security_group.proxy
    values = { id = "sg-proxy" }
  }
}

variables {
  name                       = "headgate-dev"
  vpc_id                     = "vpc-1"
  subnet_ids                 = ["subnet-1", "subnet-2"]
  function_security_group_id = "sg-function"
}

run "by_default_the_cluster_pauses_when_nobody_is_connected" {
  command = plan

  assert {
    condition = (
      aws_rds_cluster.this.serverlessv2_scaling_configuration[0].min_capacity == 0
      && aws_rds_cluster.this.serverlessv2_scaling_configuration[0].seconds_until_auto_pause == 300
    )
    error_message = "With a least capacity of 0 the cluster must pause."
  }
  assert {
    condition = alltrue([
      for things in [aws_db_proxy.this, aws_secretsmanager_secret.user, aws_iam_role.proxy] : length(things) == 0
    ])
    error_message = "There must be no proxy, which would keep it awake, and nothing of it."
  }
}

run "data_are_encrypted_at_rest_and_on_the_way" {
  command = plan

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted
    error_message = "The storage must be encrypted."
  }
  assert {
    condition = contains(
      [for parameter in aws_rds_cluster_parameter_group.this.parameter : "${parameter.name}=${parameter.value}"],
      "rds.force_ssl=1",
    )
    error_message = "PostgreSQL must refuse connections without TLS."
  }
}

run "nobody_knows_a_password" {
  command = plan

  assert {
    condition     = aws_rds_cluster.this.manage_master_user_password
    error_message = "RDS must make and keep the master password."
  }
  assert {
    condition     = aws_rds_cluster.this.iam_database_authentication_enabled
    error_message = "The service signs in by IAM."
  }
  assert {
    condition     = aws_rds_cluster.this.enable_http_endpoint
    error_message = "Users are made by the Data API."
  }
}

run "what_people_sent_is_not_logged" {
  command = plan

  assert {
    condition = alltrue([
      for setting in ["log_min_error_statement=panic", "log_error_verbosity=terse"] : contains(
        [for parameter in aws_rds_cluster_parameter_group.this.parameter : "${parameter.name}=${parameter.value}"],
        setting,
      )
    ])
    error_message = "Statements and details of errors must stay out of the log."
  }
  assert {
    condition     = aws_cloudwatch_log_group.database.name == "/aws/rds/cluster/headgate-dev/postgresql"
    error_message = "The log group must be the one that RDS writes to."
  }
  assert {
    condition     = aws_cloudwatch_log_group.database.retention_in_days == 30
    error_message = "The log must not be kept for ever."
  }
}

run "by_default_a_cluster_cannot_be_lost" {
  command = apply

  assert {
    condition     = aws_rds_cluster.this.deletion_protection
    error_message = "AWS must refuse to delete the cluster."
  }
  assert {
    condition     = !aws_rds_cluster.this.skip_final_snapshot && !aws_rds_cluster.this.delete_automated_backups
    error_message = "A deleted cluster must leave a snapshot, and its backups."
  }
  assert {
    condition     = endswith(aws_rds_cluster.this.final_snapshot_identifier, substr(terraform_data.life.id, 0, 8))
    error_message = "The snapshot must have a name that no earlier cluster has left behind."
  }
  assert {
    condition     = aws_rds_cluster.this.backup_retention_period == 7 && aws_rds_cluster.this.copy_tags_to_snapshot
    error_message = "A week of backups must be kept."
  }
}

run "an_environment_that_comes_and_goes_leaves_nothing" {
  command = plan

  variables {
    deletion_protection = false
    final_snapshot      = false
  }

  assert {
    condition = (
      !aws_rds_cluster.this.deletion_protection && aws_rds_cluster.this.skip_final_snapshot
      && aws_rds_cluster.this.final_snapshot_identifier == null && aws_rds_cluster.this.delete_automated_backups
    )
    error_message = "The cluster must be deleted without a trace."
  }
}

run "without_a_proxy_the_function_alone_reaches_the_database" {
  command = apply

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.database.referenced_security_group_id == "sg-function"
      && aws_vpc_security_group_ingress_rule.database.from_port == 5432
      && aws_vpc_security_group_ingress_rule.database.to_port == 5432
      && aws_vpc_security_group_egress_rule.function.referenced_security_group_id == "sg-database"
    )
    error_message = "The function must reach the database, and nobody else."
  }
  assert {
    condition     = length(aws_security_group.database.ingress) == 0 && length(aws_security_group.database.egress) == 0
    error_message = "The database must have no rules but those that are named."
  }
  assert {
    condition = (
      output.endpoint == "headgate-dev.cluster-abc.eu-west-1.rds.amazonaws.com"
      && output.connect_resource_id == "cluster-ABCDEFGHIJKLMNOP"
      && output.proxy_name == null && output.user_secret_arns == {}
    )
    error_message = "The service must connect to the cluster itself."
  }
}

run "with_a_proxy_only_the_proxy_reaches_the_database" {
  command = apply

  variables {
    min_capacity = 0.5
    enable_proxy = true
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.database.referenced_security_group_id == "sg-proxy"
      && aws_vpc_security_group_egress_rule.proxy[0].referenced_security_group_id == "sg-database"
      && aws_vpc_security_group_ingress_rule.proxy[0].referenced_security_group_id == "sg-function"
      && aws_vpc_security_group_egress_rule.function.referenced_security_group_id == "sg-proxy"
    )
    error_message = "The function must reach the proxy, and the proxy the database."
  }
  assert {
    condition = (
      output.endpoint == "headgate-dev.proxy-abc.eu-west-1.rds.amazonaws.com"
      && output.connect_resource_id == "prx-0123456789abcdef0" && output.proxy_name == "headgate-dev"
    )
    error_message = "The service must connect to the proxy."
  }
}

run "the_proxy_takes_tls_and_iam_only" {
  command = apply

  variables {
    min_capacity             = 0.5
    enable_proxy             = true
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_db_proxy.this[0].require_tls
    error_message = "The proxy must take no connection without TLS."
  }
  assert {
    condition     = toset([for auth in aws_db_proxy.this[0].auth : auth.iam_auth]) == toset(["REQUIRED"])
    error_message = "The proxy must take no connection without IAM."
  }
  assert {
    condition     = keys(output.user_secret_arns) == ["headgate", "headgate_migrate"]
    error_message = "The proxy must know both users."
  }
  assert {
    condition = (
      one(data.aws_iam_policy_document.proxy[0].statement).actions == toset(["secretsmanager:GetSecretValue"])
      && one(data.aws_iam_policy_document.proxy[0].statement).resources == toset(values(output.user_secret_arns))
    )
    error_message = "The proxy may read the passwords of its users and nothing else."
  }
  assert {
    condition     = aws_iam_role_policy.proxy[0].policy == data.aws_iam_policy_document.proxy[0].json
    error_message = "The role of the proxy must have that policy."
  }
  assert {
    condition     = aws_iam_role.proxy[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The pipeline may make no role without the boundary."
  }
}

run "the_proxy_sets_the_timeouts_of_the_deadline" {
  command = plan

  variables {
    min_capacity     = 0.5
    enable_proxy     = true
    deadline_seconds = 10
  }

  assert {
    condition = split("; ", aws_db_proxy_default_target_group.this[0].connection_pool_config[0].init_query) == tolist([
      "SET client_connection_check_interval = '1000'",
      "SET idle_in_transaction_session_timeout = '20000'",
      "SET lock_timeout = '7000'",
      "SET statement_timeout = '9000'",
      "SET timezone = 'UTC'",
    ])
    error_message = "The proxy must tell PostgreSQL what the service would."
  }
}

run "readers_are_ready_to_take_over" {
  command = plan

  variables {
    instances = 3
  }

  assert {
    condition = { for instance in aws_rds_cluster_instance.this : instance.identifier => instance.promotion_tier } == {
      headgate-dev-1 = 0
      headgate-dev-2 = 1
      headgate-dev-3 = 1
    }
    error_message = "Only readers of tiers 0 and 1 are as large as the writer."
  }
  assert {
    condition     = alltrue([for instance in aws_rds_cluster_instance.this : !instance.publicly_accessible])
    error_message = "Instances must be private."
  }
  assert {
    condition     = alltrue([for instance in aws_rds_cluster_instance.this : instance.performance_insights_enabled])
    error_message = "Instances must tell what they are busy with."
  }
}

run "an_exact_version_has_the_parameters_of_its_major_version" {
  command = plan

  variables {
    engine_version = "17.5"
  }

  assert {
    condition     = aws_rds_cluster_parameter_group.this.family == "aurora-postgresql17"
    error_message = "The parameter group must be of the major version."
  }
}

run "a_proxy_on_a_cluster_that_is_to_pause_is_refused" {
  command = plan

  variables {
    min_capacity = 0
    enable_proxy = true
  }

  expect_failures = [var.enable_proxy]
}

run "impossible_databases_are_refused" {
  command = plan

  variables {
    name                  = "Headgate_dev"
    subnet_ids            = ["subnet-1"]
    engine_version        = "16.4"
    min_capacity          = 0.7
    seconds_until_pause   = 60
    instances             = 0
    deadline_seconds      = 0
    backup_retention_days = 0
  }

  expect_failures = [
    var.name,
    var.subnet_ids,
    var.engine_version,
    var.min_capacity,
    var.seconds_until_pause,
    var.instances,
    var.deadline_seconds,
    var.backup_retention_days,
  ]
}

run "capacity_in_other_steps_is_refused" {
  command = plan

  variables {
    max_capacity = 0.5
  }

  expect_failures = [var.max_capacity]
}

run "a_largest_capacity_below_the_least_is_refused" {
  command = plan

  variables {
    min_capacity = 4
    max_capacity = 2
  }

  expect_failures = [var.max_capacity]
}
