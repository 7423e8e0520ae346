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
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/pipeline-headgate-dev-boundary" }
  }
}

variables {
  name              = "headgate-dev"
  environment       = "dev"
  github_repository = "example/headgate"
  oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  state_bucket      = "example-terraform-state"
}

run "each_role_is_taken_on_by_jobs_of_one_environment_of_one_repository" {
  command = plan

  assert {
    condition = {
      for role, document in data.aws_iam_policy_document.trust :
      role => { for condition in document.statement[0].condition : condition.variable => "${condition.test} ${join(",", condition.values)}" }
      } == {
      plan = {
        "token.actions.githubusercontent.com:aud" = "StringEquals sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "StringEquals repo:example/headgate:environment:dev-plan"
      }
      apply = {
        "token.actions.githubusercontent.com:aud" = "StringEquals sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "StringEquals repo:example/headgate:environment:dev"
      }
    }
    error_message = "A role must be bound to the repository and to one of its environments, each by its whole name."
  }
  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.trust :
      one(document.statement[0].principals).identifiers == toset([var.oidc_provider_arn]) && length(document.statement) == 1
    ])
    error_message = "Nobody but GitHub's provider may vouch for a job."
  }
}

run "plan_reads_and_apply_does_everything_but_iam" {
  command = plan

  assert {
    condition = { for role, attachment in aws_iam_role_policy_attachment.this : role => attachment.policy_arn } == {
      plan  = "arn:aws:iam::aws:policy/ReadOnlyAccess"
      apply = "arn:aws:iam::aws:policy/PowerUserAccess"
    }
    error_message = "Only apply may change anything, and nobody is an administrator."
  }
}

run "a_plan_reads_the_state_of_its_environment_and_no_data" {
  command = plan

  assert {
    condition     = alltrue([for statement in data.aws_iam_policy_document.plan.statement : statement.effect == "Deny"])
    error_message = "To what ReadOnlyAccess allows, nothing may be added."
  }
  assert {
    condition = (
      data.aws_iam_policy_document.plan.statement[0].actions == toset(["s3:GetObject", "s3:GetObjectVersion"])
      && data.aws_iam_policy_document.plan.statement[0].not_resources == toset(["arn:aws:s3:::example-terraform-state/headgate/dev/*"])
    )
    error_message = "Of all files, a plan may read its own state alone."
  }
  assert {
    condition = length(setsubtract(
      ["athena:GetQueryResults", "cognito-idp:ListUsers", "logs:FilterLogEvents", "sqs:ReceiveMessage"],
      data.aws_iam_policy_document.plan.statement[1].actions,
    )) == 0
    error_message = "A plan may not read results, accounts, logs or messages."
  }
}

run "roles_are_made_within_the_boundary_only" {
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.apply.statement :
      [for condition in statement.condition : condition.values if condition.variable == "iam:PermissionsBoundary"] == [tolist([output.permissions_boundary_arn])]
      if length(setintersection(statement.actions, ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"])) > 0
    ])
    error_message = "Whoever could give a role rights without the boundary could give every right."
  }
  assert {
    condition = length(setintersection(flatten([for statement in data.aws_iam_policy_document.apply.statement : statement.actions]), [
      "iam:AttachRolePolicy",
      "iam:CreatePolicyVersion",
      "iam:CreateUser",
      "iam:DeleteRolePermissionsBoundary",
      "iam:SetDefaultPolicyVersion",
    ])) == 0
    error_message = "There may be no way around the boundary."
  }
}

run "the_pipeline_cannot_change_its_own_rights" {
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.apply.statement :
      statement.resources == toset(["arn:aws:iam::123456789012:role/headgate-dev-*"])
      if length([for action in statement.actions : action if can(regex("^iam:(Attach|Create|Delete|Pass|Put|Tag|Untag|Update)", action))]) > 0
    ])
    error_message = "What changes a role must be bound to roles of the installation."
  }
  assert {
    condition     = alltrue([for name in concat(values(aws_iam_role.this)[*].name, [aws_iam_policy.boundary.name]) : !startswith(name, "headgate-dev-")])
    error_message = "The pipeline's own roles and the boundary must not be among those that apply may change."
  }
}

run "roles_are_passed_to_the_services_that_are_used" {
  command = plan

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.apply.statement : one(statement.condition).values
      if contains(statement.actions, "iam:PassRole")
    ] == [tolist(["lambda.amazonaws.com", "rds.amazonaws.com", "scheduler.amazonaws.com", "vpc-flow-logs.amazonaws.com"])]
    error_message = "A role must be passed to no other service."
  }
}

run "apply_writes_no_state_but_its_own" {
  command = plan

  assert {
    condition = [
      for statement in data.aws_iam_policy_document.apply.statement : statement.not_resources
      if statement.effect == "Deny" && contains(statement.actions, "s3:PutObject")
    ] == [toset(["arn:aws:s3:::example-terraform-state/headgate/dev/*", "arn:aws:s3:::headgate-dev-*"])]
    error_message = "The state of another environment must stay out of reach."
  }
}

run "no_statement_allows_every_action_of_a_service" {
  command = plan

  assert {
    condition = alltrue([
      for action in flatten([
        for document in [data.aws_iam_policy_document.plan, data.aws_iam_policy_document.apply, data.aws_iam_policy_document.boundary] :
        document.statement[*].actions
      ]) : !strcontains(action, "*")
    ])
    error_message = "Actions are named one by one."
  }
}

run "roles_of_the_installation_reach_its_own_things_only" {
  command = plan

  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.boundary.statement : alltrue([
        for resource in statement.resources :
        can(regex("headgate[-_]dev|dev/api/credentials-|:dbuser:\\*/headgate\\*$|:catalog$|:database/default$", resource))
      ])
      if !contains(["SendTraces", "HaveNetworkInterfaces", "FindNetworkInterfaces"], statement.sid)
    ])
    error_message = "Where AWS lets it, the boundary must name the installation."
  }
}

run "a_wildcard_in_the_repository_is_refused" {
  command = plan

  variables {
    github_repository = "example/*"
  }

  expect_failures = [var.github_repository]
}

run "another_identity_provider_is_refused" {
  command = plan

  variables {
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
  }

  expect_failures = [var.oidc_provider_arn]
}

run "an_environment_with_a_wildcard_is_refused" {
  command = plan

  variables {
    environment = "de*"
  }

  expect_failures = [var.environment]
}

run "a_name_with_a_wildcard_is_refused" {
  command = plan

  variables {
    name = "headgate-*"
  }

  expect_failures = [var.name]
}

run "a_bucket_is_given_by_its_name" {
  command = plan

  variables {
    state_bucket = "s3://example-terraform-state"
  }

  expect_failures = [var.state_bucket]
}
