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
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
  }
  mock_data "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
}

variables {
  environment         = "dev"
  region              = "eu-west-1"
  state_bucket        = "example-terraform-state"
  github_repository   = "example/headgate"
  deletion_protection = false

  network = {
    cidr = "10.20.0.0/16"
    nat  = "none"
  }

  database = {
    min_capacity          = 0
    max_capacity          = 2
    instances             = 1
    enable_proxy          = false
    backup_retention_days = 1
  }

  scopes = {
    "events:write"  = "Write events"
    "items:read"    = "Read items"
    "platform:read" = "Read platform"
  }
}

run "what_belongs_to_an_environment_begins_with_its_name" {
  command = plan

  assert {
    condition = (
      output.lake.workgroup == "headgate-dev"
      && output.registry.repository_name == "headgate-dev"
      && output.database.cluster_identifier == "headgate-dev"
      && startswith(output.queues.jobs.name, "headgate-dev-")
      && output.secrets.shared.name == "headgate-dev"
      && output.secrets.partner.name == "dev/api/credentials"
    )
    error_message = "Two environments of an account must have no name in common."
  }
}

run "the_application_finds_what_it_reads" {
  command = plan

  # keys() of an output tells its names, whatever their values will be.
  assert {
    condition = length(setsubtract([
      "app_user", "cluster_identifier", "connect_resource_id", "endpoint", "max_capacity", "migration_user", "min_capacity",
      "name", "port", "proxy_name",
    ], keys(output.database))) == 0
    error_message = "The application reads these of the database."
  }
  assert {
    condition = length(setsubtract([
      "client_ids", "issuer", "partner_client_ids", "scope_prefix", "smoke_client_id", "token_url", "user_client_id", "user_pool_id",
    ], keys(output.identity))) == 0
    error_message = "The application reads these of the user pool."
  }
  assert {
    condition = length(setsubtract([
      "bucket", "bucket_arn", "database_name", "results_bucket", "results_bucket_arn", "workgroup", "workgroup_arn",
    ], keys(output.lake))) == 0
    error_message = "The application reads these of the lake."
  }
  assert {
    condition = (
      length(setsubtract(["function_security_group_id", "nat_addresses", "private_subnet_ids"], keys(output.network))) == 0
      && length(setsubtract(["dead_letters", "jobs", "undelivered"], keys(output.queues))) == 0
      && length(setsubtract(["partner", "shared"], keys(output.secrets))) == 0
      && contains(keys(output.registry), "repository_url")
      && contains(keys(output.pipeline), "permissions_boundary_arn")
    )
    error_message = "The application reads these of the network, the queues, the secrets, the registry and the pipeline."
  }
}

run "without_a_way_out_there_is_no_address_to_tell_fullbay" {
  command = plan

  assert {
    condition     = output.network.nat_addresses == []
    error_message = "The application takes an address for a way out."
  }
}

run "an_environment_with_a_capital_letter_is_refused" {
  command = plan

  variables {
    environment = "Dev"
  }

  expect_failures = [var.environment]
}

run "a_region_that_is_none_is_refused" {
  command = plan

  variables {
    region = "Ireland"
  }

  expect_failures = [var.region]
}

run "an_endpoint_that_could_not_reach_the_user_pool_is_refused" {
  command = plan

  variables {
    network = {
      cidr                = "10.20.0.0/16"
      nat                 = "none"
      interface_endpoints = ["cognito-idp"]
    }
  }

  expect_failures = [var.network]
}
