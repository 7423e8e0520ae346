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

  override_resource {
    target = aws_sqs_queue.jobs
    values = { arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-dev-jobs" }
  }
  override_resource {
    target = aws_sqs_queue.dead_letters
    values = { arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-dev-dead-letters" }
  }
  override_resource {
    target = aws_sqs_queue.undelivered
    values = { arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-dev-undelivered" }
  }
}

variables {
  name = "headgate-dev"
}

run "every_queue_is_encrypted" {
  command = plan

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.jobs, aws_sqs_queue.dead_letters, aws_sqs_queue.undelivered] :
      queue.sqs_managed_sse_enabled
    ])
    error_message = "Every queue must be encrypted."
  }
}

run "a_job_that_fails_five_times_is_a_dead_letter_for_longer_than_it_could_wait" {
  command = apply

  assert {
    condition = jsondecode(aws_sqs_queue.jobs.redrive_policy) == {
      deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
      maxReceiveCount     = 5
    }
    error_message = "Jobs must end in the dead-letter queue after five attempts."
  }
  assert {
    condition = (
      aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
      && aws_sqs_queue.undelivered.message_retention_seconds == 1209600
      && aws_sqs_queue.jobs.message_retention_seconds < aws_sqs_queue.dead_letters.message_retention_seconds
    )
    error_message = "Dead letters must stay 14 days, and longer than jobs wait."
  }
  assert {
    condition = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = [aws_sqs_queue.jobs.arn]
    }
    error_message = "Only jobs may become dead letters."
  }
  assert {
    condition = jsondecode(aws_sqs_queue_redrive_allow_policy.undelivered.redrive_allow_policy) == {
      redrivePermission = "denyAll"
    }
    error_message = "No queue is redriven to the undelivered."
  }
}

run "plain_http_is_refused_by_every_queue" {
  command = apply

  assert {
    condition = alltrue([
      for key in ["jobs", "dead_letters", "undelivered"] : anytrue([
        for statement in data.aws_iam_policy_document.queue[key].statement :
        statement.effect == "Deny"
        && contains(statement.actions, "sqs:SendMessage")
        && contains(statement.actions, "sqs:ReceiveMessage")
        && one(statement.condition).variable == "aws:SecureTransport"
        && tolist(one(statement.condition).values) == tolist(["false"])
      ])
    ])
    error_message = "Every queue must refuse plain HTTP."
  }
  assert {
    condition     = keys(aws_sqs_queue_policy.this) == ["dead_letters", "jobs", "undelivered"]
    error_message = "Every queue must have its policy."
  }
}

run "rules_of_this_environment_send_jobs_and_what_they_could_not_deliver" {
  command = apply

  assert {
    condition = {
      for key, document in data.aws_iam_policy_document.queue : key => flatten([
        for statement in document.statement : one(statement.condition).values
        if one(statement.principals).identifiers == toset(["events.amazonaws.com"])
      ])
      } == {
      jobs         = ["arn:aws:events:eu-west-1:123456789012:rule/headgate-dev-*"]
      dead_letters = []
      undelivered  = ["arn:aws:events:eu-west-1:123456789012:rule/headgate-dev-*"]
    }
    error_message = "Rules of this environment may send to jobs and undelivered, and to nothing else."
  }
}

run "too_few_attempts_are_refused" {
  command = plan

  variables {
    max_receive_count = 1
  }

  expect_failures = [var.max_receive_count]
}

run "an_impossible_visibility_timeout_is_refused" {
  command = plan

  variables {
    visibility_timeout_seconds = 50000
  }

  expect_failures = [var.visibility_timeout_seconds]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    name = "Headgate_dev"
  }

  expect_failures = [var.name]
}
