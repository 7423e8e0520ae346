# What begins jobs by itself: times, and files that have come into the lake. Both put a job into the queue, where it is
# bounded, tried again and dead-lettered like every other one, and neither knows the function.

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297:a schedule says what is pulled and when, no secret; EventBridge encrypts it with its own key
  for_each = var.schedules

  name                         = each.key
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = each.value.description
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone
  state                        = each.value.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode                      = each.value.window_minutes == null ? "OFF" : "FLEXIBLE"
    maximum_window_in_minutes = each.value.window_minutes
  }

  target {
    arn      = var.jobs_queue_arn
    role_arn = var.role_arn

    # EventBridge may deliver a time twice: by `event` the service knows it. jsonencode() writes < and > as escapes, in
    # which EventBridge would not see its own word.
    input = replace(replace(jsonencode(merge(each.value.arguments, {
      job   = each.value.job
      event = "${each.key}/<aws.scheduler.scheduled-time>"
    })), "\\u003c", "<"), "\\u003e", ">")

    retry_policy {
      maximum_event_age_in_seconds = each.value.maximum_age_seconds
      maximum_retry_attempts       = each.value.maximum_attempts
    }

    dead_letter_config {
      arn = var.undelivered_queue_arn
    }
  }
}

resource "aws_cloudwatch_event_rule" "new_files" {
  count = var.lake_bucket == null ? 0 : 1

  name        = "${var.name}-new-files"
  description = "A file of data has come into the lake: its table is exported"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = {
      bucket = { name = [var.lake_bucket] }
      object = { key = [for ending in [".parquet", ".orc", ".avro"] : { suffix = ending }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "new_files" {
  count = var.lake_bucket == null ? 0 : 1

  rule = aws_cloudwatch_event_rule.new_files[0].name
  arn  = var.jobs_queue_arn

  # The sequencer tells one writing of a file from the next. EventBridge puts texts into quotes by itself.
  input_transformer {
    input_paths = {
      bucket = "$.detail.bucket.name"
      key    = "$.detail.object.key"
      mark   = "$.detail.object.sequencer"
    }
    input_template = "{\"job\":\"export\",\"objects\":[{\"bucket\":<bucket>,\"key\":<key>,\"mark\":<mark>}]}"
  }

  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = var.undelivered_queue_arn
  }
}
