resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  description        = "What the schedules of ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.scheduler_trust.json

  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "scheduler_trust" {
  statement {
    sid     = "OnlyTheseSchedules"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:scheduler:${local.here}:schedule-group/${var.name}"]
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "scheduler"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "PutJobs"
    actions   = ["sqs:SendMessage"]
    resources = [var.queues.jobs_arn, var.queues.undelivered_arn]
  }
}
