mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:headgate-dev-alarms" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:one" }
  }
}

variables {
  name        = "headgate-dev"
  environment = "dev"
  function    = { name = "headgate-dev", timeout_seconds = 300 }
  api         = { id = "abc123", stage = "dev" }
  queues = {
    jobs         = "headgate-dev-jobs"
    dead_letters = "headgate-dev-dead-letters"
    undelivered  = "headgate-dev-undelivered"
  }
  database = { cluster_identifier = "headgate-dev", min_capacity = 0, max_capacity = 4 }
}

run "every_alarm_is_sent_when_it_begins_and_when_it_ends" {
  command = apply

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alarm.ok_actions == toset([aws_sns_topic.alarms.arn])
    ])
    error_message = "Alarms are sent to the topic, both ways."
  }
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "Without an address nobody is told."
  }
  assert {
    condition     = length([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget if widget.type == "metric"]) >= 12
    error_message = "The dashboard has the graphs."
  }
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.alarms) == length(aws_cloudwatch_metric_alarm.this)
    error_message = "The dashboard has every alarm."
  }
}

run "without_schedules_and_proxy_there_are_no_alarms_for_them" {
  command = plan

  assert {
    condition     = !anytrue([for key in keys(aws_cloudwatch_metric_alarm.this) : startswith(key, "freshness") || startswith(key, "proxy")])
    error_message = "There is nothing that could be fresh, and no proxy."
  }
}

run "schedules_and_a_proxy_have_alarms" {
  command = plan

  variables {
    alert_emails = ["ops@example.com", "ada@example.com"]
    database     = { cluster_identifier = "headgate-prod", min_capacity = 1, max_capacity = 16, proxy_name = "headgate-prod" }
    freshness = {
      work-orders = { source = "work-orders", resource = "work-orders", max_age_seconds = 172800 }
      invoices    = { source = "invoices", resource = "invoices", max_age_seconds = 90000 }
    }
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 2
    error_message = "Each address is told."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["freshness-work-orders"].evaluation_periods == 48 && aws_cloudwatch_metric_alarm.this["freshness-invoices"].evaluation_periods == 25
    error_message = "Freshness is looked at over as long as it may get old."
  }
  assert {
    condition     = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.treat_missing_data if alarm.treat_missing_data != "notBreaching" } == { freshness-work-orders = "breaching", freshness-invoices = "breaching" }
    error_message = "What is missing is an error for freshness alone."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["freshness-work-orders"].dimensions == tomap({ Environment = "dev", Source = "work-orders", Resource = "work-orders" })
    error_message = "Each source has an alarm of its own."
  }
  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.this), "proxy-connections")
    error_message = "A proxy has an alarm."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-connections"].threshold == 2419
    error_message = "Connections are compared with what the largest capacity takes."
  }
}

run "a_threshold_that_is_null_is_the_usual_one" {
  command = plan

  variables {
    thresholds = { latency_seconds = null, rejects = 5 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["api-latency"].threshold == 2000
    error_message = "Null is not zero."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["rejects"].threshold == 5
    error_message = "What is told counts."
  }
}

run "a_long_invocation_is_one_of_four_minutes_or_of_most_of_its_time" {
  command = plan

  variables {
    function = { name = "headgate-dev", timeout_seconds = 60 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["function-duration"].threshold == 48000
    error_message = "80 % of a minute are 48 seconds."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-connections"].threshold == 604
    error_message = "80 % of 756 connections at 4 ACUs."
  }
}

run "four_minutes_are_long_however_much_time_there_is" {
  command = plan

  variables {
    function = { name = "headgate-dev", timeout_seconds = 900 }
    database = { cluster_identifier = "headgate-dev", min_capacity = 0, max_capacity = 64 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["function-duration"].threshold == 240000
    error_message = "4 minutes."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-connections"].threshold == 1600
    error_message = "A cluster that pauses takes 2000 connections at most."
  }
}

run "what_can_never_be_is_refused" {
  command = plan

  variables {
    name         = "Headgate"
    environment  = "prod/eu"
    function     = { name = "headgate-dev", timeout_seconds = 901 }
    database     = { cluster_identifier = "headgate-dev", min_capacity = 8, max_capacity = 4 }
    alert_emails = ["nobody"]
    freshness    = { work-orders = { source = "work-orders", resource = "work-orders", max_age_seconds = 604801 } }
    thresholds   = { error_percent = 100 }
  }

  expect_failures = [
    var.name, var.environment, var.function, var.database, var.alert_emails, var.freshness, var.thresholds,
  ]
}
