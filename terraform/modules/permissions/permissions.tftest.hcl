mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
}

variables {
  name           = "headgate-dev"
  log_group_name = "/aws/lambda/headgate-dev"
  network = {
    subnet_ids         = ["subnet-a", "subnet-b"]
    security_group_ids = ["sg-a"]
  }
  database = {
    connect_resource_id = "cluster-ABC"
    users               = ["headgate", "headgate_migrate"]
  }
  queues = {
    jobs_arn        = "arn:aws:sqs:eu-west-1:123456789012:headgate-dev-jobs"
    undelivered_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-dev-undelivered"
  }
  secrets = {
    shared_arn  = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:headgate-dev-AbCdEf"
    partner_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:dev/api/credentials-AbCdEf"
  }
  lake = {
    workgroup_arn      = "arn:aws:athena:eu-west-1:123456789012:workgroup/headgate-dev"
    database_name      = "headgate_dev"
    bucket_arn         = "arn:aws:s3:::headgate-dev-lake"
    results_bucket_arn = "arn:aws:s3:::headgate-dev-results"
  }
}

run "roles_are_for_one_service_each" {
  command = plan

  assert {
    condition     = one(one(data.aws_iam_policy_document.function_trust.statement).principals).identifiers == toset(["lambda.amazonaws.com"])
    error_message = "Only Lambda may take the function's role."
  }
  assert {
    condition     = one(one(data.aws_iam_policy_document.scheduler_trust.statement).principals).identifiers == toset(["scheduler.amazonaws.com"])
    error_message = "Only the scheduler may take the scheduler's role."
  }
  assert {
    condition = {
      for condition in one(data.aws_iam_policy_document.scheduler_trust.statement).condition :
      condition.variable => one(condition.values)
      } == {
      "aws:SourceAccount" = "123456789012"
      "aws:SourceArn"     = "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/headgate-dev"
    }
    error_message = "The scheduler may take the role for the schedules of this installation alone."
  }
  assert {
    condition     = aws_iam_role.function.name == "headgate-dev-function" && aws_iam_role.scheduler.name == "headgate-dev-scheduler"
    error_message = "Roles begin with the installation's name, which bounds what the pipeline may make."
  }
  assert {
    condition     = aws_iam_role.function.permissions_boundary == null
    error_message = "Without a boundary there is none."
  }
}

run "a_boundary_is_set_on_both_roles" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/headgate-dev-boundary"
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.function, aws_iam_role.scheduler] : role.permissions_boundary == "arn:aws:iam::123456789012:policy/headgate-dev-boundary"])
    error_message = "Both roles are bounded."
  }
}

run "no_action_and_hardly_a_resource_is_a_wildcard" {
  command = plan

  assert {
    condition = alltrue([
      for statement in concat(data.aws_iam_policy_document.function.statement, data.aws_iam_policy_document.scheduler.statement) :
      alltrue([for action in statement.actions : !strcontains(action, "*")])
    ])
    error_message = "Every action is named."
  }
  assert {
    condition = toset([
      for statement in data.aws_iam_policy_document.function.statement : statement.sid
      if coalesce(statement.effect, "Allow") == "Allow" && contains(statement.resources, "*")
    ]) == toset(["FindNetworkInterfaces", "SendTraces"])
    error_message = "A statement holds for every resource only where AWS knows none for its actions."
  }
  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.function.statement : statement.sid != null])
    error_message = "Every statement names its intent."
  }
}

run "the_database_is_signed_in_to_by_the_users_named" {
  command = plan

  variables {
    database = {
      connect_resource_id = "prx-0123abc"
      users               = ["headgate_migrate", "headgate"]
    }
  }

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.function.statement : statement.resources if statement.sid == "SignInToDatabase"
      ]) == toset([
      "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0123abc/headgate",
      "arn:aws:rds-db:eu-west-1:123456789012:dbuser:prx-0123abc/headgate_migrate",
    ])
    error_message = "One resource a user, on the proxy or cluster that is connected to."
  }
}

run "the_code_is_kept_from_network_interfaces" {
  command = plan

  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.function.statement : one(statement.condition).values if statement.effect == "Deny"
    ]) == tolist(["arn:aws:lambda:eu-west-1:123456789012:function:headgate-dev"])
    error_message = "Calls from within the function are refused."
  }
  assert {
    condition = one([
      for statement in data.aws_iam_policy_document.function.statement : statement.actions if statement.effect == "Deny"
      ]) == toset(flatten([
        for statement in data.aws_iam_policy_document.function.statement :
        [for action in statement.actions : action if startswith(action, "ec2:")]
    ]))
    error_message = "All that is allowed of EC2 is kept from the code."
  }
}

run "a_wildcard_is_refused" {
  command = plan

  variables {
    name           = "Headgate"
    log_group_name = "/aws/lambda/*"
    network        = { subnet_ids = [], security_group_ids = ["sg-a"] }
    queues         = { jobs_arn = "*", undelivered_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-*" }
    secrets        = { shared_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:*", partner_arn = "*" }
    database       = { connect_resource_id = "*", users = ["*"] }
    lake = {
      workgroup_arn      = "arn:aws:athena:eu-west-1:123456789012:workgroup/*"
      database_name      = "*"
      bucket_arn         = "arn:aws:s3:::*"
      results_bucket_arn = "arn:aws:s3:::headgate-dev-results/prefix"
    }
  }

  expect_failures = [var.name, var.log_group_name, var.network, var.queues, var.secrets, var.database, var.lake]
}
