# Who is told (here), of what (alarms.tf), and what is looked at then (dashboard.tf).

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name
}

resource "aws_sns_topic" "alarms" {
  # checkov:skip=CKV_AWS_26:CloudWatch cannot publish to a topic under AWS's own key, and an alarm's text is no secret
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "TellAlarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  statement {
    sid       = "OnlyByTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alert_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.says} First: ${each.value.first} More: docs/operating.md#alarms"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = try(each.value.datapoints, each.value.periods)
  treat_missing_data  = try(each.value.missing, "notBreaching")

  namespace          = try(each.value.metric.namespace, null)
  metric_name        = try(each.value.metric.name, null)
  dimensions         = try(each.value.metric.dimensions, null)
  unit               = try(each.value.metric.unit, null)
  period             = can(each.value.metric) ? try(each.value.metric.period, local.usual_period) : null
  statistic          = try(each.value.metric.statistic, null)
  extended_statistic = try(each.value.metric.percentile, null)
  # A percentile of a few answers says nothing.
  evaluate_low_sample_count_percentiles = can(each.value.metric.percentile) ? "ignore" : null

  dynamic "metric_query" {
    for_each = try(each.value.metrics, {})
    iterator = query

    content {
      id = query.key

      metric {
        namespace   = query.value.namespace
        metric_name = query.value.name
        dimensions  = query.value.dimensions
        unit        = try(query.value.unit, null)
        period      = local.usual_period
        stat        = query.value.statistic
      }
    }
  }

  dynamic "metric_query" {
    for_each = can(each.value.expression) ? [each.value.expression] : []
    iterator = query

    content {
      id          = "value"
      expression  = query.value
      label       = each.key
      return_data = true
    }
  }
}
