mock_provider "aws" {}

variables {
  name                  = "headgate-test"
  role_arn              = "arn:aws:iam::123456789012:role/headgate-test-schedules"
  jobs_queue_arn        = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-jobs"
  undelivered_queue_arn = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-undelivered"
  schedules = {
    work-orders = {
      job        = "ingest"
      arguments  = { source = "work-orders" }
      expression = "rate(1 hour)"
    }
    customers = {
      job            = "export"
      arguments      = { table = "test_customers_silver", where_clause = "lifetime_value > 5 AND region <> 'US'" }
      expression     = "cron(0 9 ? * MON-FRI *)"
      timezone       = "America/Denver"
      enabled        = false
      window_minutes = 15
    }
  }
}

run "each_schedule_puts_its_job_into_the_queue" {
  command = plan

  assert {
    condition     = jsondecode(output.messages["work-orders"]) == { job = "ingest", source = "work-orders", event = "work-orders/<aws.scheduler.scheduled-time>" }
    error_message = "The message must be the job with its arguments."
  }

  assert {
    condition     = strcontains(output.messages["work-orders"], "<aws.scheduler.scheduled-time>")
    error_message = "EventBridge must find the word that it puts the time in place of."
  }

  assert {
    condition     = jsondecode(output.messages["customers"]).where_clause == "lifetime_value > 5 AND region <> 'US'"
    error_message = "Arguments must arrive as they were written."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].arn == var.jobs_queue_arn && schedule.target[0].role_arn == var.role_arn])
    error_message = "Schedules must not pass by the queue, which bounds jobs."
  }
}

run "times_are_the_ones_of_the_map" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.this["work-orders"].schedule_expression == "rate(1 hour)" && aws_scheduler_schedule.this["work-orders"].schedule_expression_timezone == "UTC" && aws_scheduler_schedule.this["work-orders"].state == "ENABLED" && aws_scheduler_schedule.this["work-orders"].flexible_time_window[0].mode == "OFF"
    error_message = "Without another word a schedule is on, in UTC and to the minute."
  }

  assert {
    condition     = aws_scheduler_schedule.this["customers"].schedule_expression_timezone == "America/Denver" && aws_scheduler_schedule.this["customers"].state == "DISABLED" && aws_scheduler_schedule.this["customers"].flexible_time_window[0].maximum_window_in_minutes == 15
    error_message = "Zone, window and switch must be those of the map."
  }
}

run "what_cannot_be_put_is_kept" {
  command = plan

  variables {
    lake_bucket = "headgate-test-lake"
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.target[0].dead_letter_config[0].arn == var.undelivered_queue_arn && schedule.target[0].retry_policy[0].maximum_event_age_in_seconds == 3600])
    error_message = "A schedule that cannot be delivered must end in the queue, not in nothing."
  }

  assert {
    condition     = aws_cloudwatch_event_target.new_files[0].dead_letter_config[0].arn == var.undelivered_queue_arn
    error_message = "A new file that cannot be told must end in the queue, not in nothing."
  }
}

run "new_files_begin_nothing_unless_asked_for" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_event_rule.new_files) == 0 && length(aws_cloudwatch_event_target.new_files) == 0 && output.rule_arn == null
    error_message = "Without a bucket there must be no rule."
  }
}

run "new_files_of_the_lake_become_a_job" {
  command = plan

  variables {
    lake_bucket = "headgate-test-lake"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.new_files[0].event_pattern).detail.bucket.name == ["headgate-test-lake"] && jsondecode(aws_cloudwatch_event_rule.new_files[0].event_pattern).detail-type == ["Object Created"]
    error_message = "Only new files of the lake are meant."
  }

  assert {
    condition     = aws_cloudwatch_event_target.new_files[0].arn == var.jobs_queue_arn
    error_message = "New files must not pass by the queue, which bounds jobs."
  }

  assert {
    condition = jsondecode(replace(replace(replace(aws_cloudwatch_event_target.new_files[0].input_transformer[0].input_template,
      "<bucket>", "\"b\""), "<key>", "\"k\""), "<mark>", "\"m\"")) == {
      job = "export", objects = [{ bucket = "b", key = "k", mark = "m" }]
    }
    error_message = "The message must be a job, once EventBridge has put the texts in, with their quotes."
  }
}

run "what_eventbridge_would_refuse_is_refused_here" {
  command = plan

  variables {
    schedules = { "Work orders" = { job = "ingest", expression = "rate(1 hour)" } }
  }

  expect_failures = [var.schedules]
}

run "a_job_without_a_name_is_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "", expression = "rate(1 hour)" } }
  }

  expect_failures = [var.schedules]
}

run "an_argument_that_hides_the_job_is_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "ingest", arguments = { job = "export" }, expression = "rate(1 hour)" } }
  }

  expect_failures = [var.schedules]
}

run "a_cron_expression_of_unix_is_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "ingest", expression = "cron(0 9 * * 1)" } }
  }

  expect_failures = [var.schedules]
}

run "a_time_zone_that_is_an_offset_is_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "ingest", expression = "rate(1 hour)", timezone = "+02:00" } }
  }

  expect_failures = [var.schedules]
}

run "a_window_of_two_days_is_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "ingest", expression = "rate(1 hour)", window_minutes = 2880 } }
  }

  expect_failures = [var.schedules]
}

run "more_attempts_than_eventbridge_makes_are_refused" {
  command = plan

  variables {
    schedules = { work-orders = { job = "ingest", expression = "rate(1 hour)", maximum_attempts = 186 } }
  }

  expect_failures = [var.schedules]
}
