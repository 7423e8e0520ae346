mock_provider "aws" {
  mock_resource "aws_lambda_function" {
    defaults = {
      arn     = "arn:aws:lambda:eu-west-1:123456789012:function:headgate-test"
      version = "7"
    }
  }

  mock_resource "aws_lambda_alias" {
    defaults = {
      arn = "arn:aws:lambda:eu-west-1:123456789012:function:headgate-test:live"
    }
  }
}

variables {
  name                  = "headgate-test"
  image_uri             = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/headgate-test@sha256:1111111111111111111111111111111111111111111111111111111111111111"
  role_arn              = "arn:aws:iam::123456789012:role/headgate-test-function"
  environment           = { ENVIRONMENT = "test" }
  network               = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  reserved_concurrency  = 10
  jobs                  = { queue_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-jobs", maximum_concurrency = 4 }
  undelivered_queue_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-undelivered"
}

run "the_newest_version_serves_where_nobody_says_another" {
  command = apply

  assert {
    condition     = output.version == "7" && output.live_version == "7"
    error_message = "The alias must name the version that was published."
  }
}

run "the_alias_stays_at_the_version_it_is_told" {
  command = apply

  variables {
    live_version = "6"
  }

  assert {
    condition     = output.version == "7" && output.live_version == "6"
    error_message = "A published version must not serve before the alias is told to."
  }
}

run "every_version_is_an_image_in_the_vpc_with_traces" {
  command = plan

  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.image_uri == var.image_uri
    error_message = "Each change must publish a version of the image that was given."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Invocations must be traced."
  }

  assert {
    condition     = toset(aws_lambda_function.this.vpc_config[0].subnet_ids) == toset(["subnet-1", "subnet-2"])
    error_message = "The function must be in the subnets that reach the database."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ ENVIRONMENT = "test" })
    error_message = "The function must have the environment that it was given, and nothing else."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/headgate-test" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The log group must be the one that Lambda writes to, with an end."
  }
}

run "jobs_are_bounded_reported_one_by_one_and_run_by_the_version_that_serves" {
  command = apply

  assert {
    condition     = aws_lambda_event_source_mapping.jobs.function_name == output.alias_arn && endswith(output.alias_arn, ":live")
    error_message = "Messages must invoke the alias, not a version that does not serve yet."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.jobs.batch_size == 1 && aws_lambda_event_source_mapping.jobs.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "A message that fails must come back alone."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.jobs.scaling_config[0].maximum_concurrency == 4
    error_message = "Jobs must leave invocations for requests."
  }

  assert {
    condition     = aws_lambda_function_recursion_config.this.recursive_loop == "Allow"
    error_message = "Lambda must not end a run that continues in its seventeenth invocation."
  }
}

run "what_fails_when_nobody_waits_is_kept" {
  command = plan

  assert {
    condition     = aws_lambda_function_event_invoke_config.live.destination_config[0].on_failure[0].destination == var.undelivered_queue_arn && aws_lambda_function_event_invoke_config.live.qualifier == "live"
    error_message = "An asynchronous invocation of the alias that fails must end in the queue."
  }
}

run "nothing_is_kept_warm_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0
    error_message = "Warm environments cost money."
  }
}

run "warm_environments_are_of_the_alias" {
  command = plan

  variables {
    provisioned_concurrency = 3
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 3
    error_message = "Environments are kept warm for the version that serves."
  }
}

run "without_a_reservation_the_account_s_pool_is_used" {
  command = plan

  variables {
    reserved_concurrency = null
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Null must reserve nothing."
  }
}

run "an_image_by_tag_is_refused" {
  command = plan

  variables {
    image_uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/headgate-test:latest"
  }

  expect_failures = [var.image_uri]
}

run "what_lambda_would_refuse_is_refused_here" {
  command = plan

  variables {
    name                 = "headgate test"
    live_version         = "$LATEST"
    architecture         = "arm"
    memory_mb            = 64
    timeout_seconds      = 901
    ephemeral_storage_mb = 100
    log_retention_days   = 31
    network              = { subnet_ids = [], security_group_ids = ["sg-1"] }
  }

  expect_failures = [
    var.name, var.live_version, var.architecture, var.memory_mb, var.timeout_seconds, var.ephemeral_storage_mb,
    var.log_retention_days, var.network,
  ]
}

run "a_time_that_ends_before_api_gateway_s_is_refused" {
  command = plan

  variables {
    timeout_seconds = 30
  }

  expect_failures = [var.timeout_seconds]
}

run "fewer_jobs_at_once_than_sqs_takes_are_refused" {
  command = plan

  variables {
    jobs = { queue_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-jobs", maximum_concurrency = 1 }
  }

  expect_failures = [var.jobs]
}

run "jobs_that_could_take_every_invocation_are_refused" {
  command = plan

  variables {
    reserved_concurrency = 4
  }

  expect_failures = [var.reserved_concurrency]
}

run "more_warm_than_reserved_is_refused" {
  command = plan

  variables {
    provisioned_concurrency = 11
  }

  expect_failures = [var.provisioned_concurrency]
}
