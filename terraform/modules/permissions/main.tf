# What the function and the scheduler may do. One statement an intent; tests/policy/test_permissions.py names the code
# that needs each action, and compares it with the calls that the test suite makes.
#
# Nothing here is for Cognito: its operations are called unsigned, with the user's own token or password.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  here      = "${local.region}:${local.account}"

  ec2           = "arn:${local.partition}:ec2:${local.here}"
  function_arn  = "arn:${local.partition}:lambda:${local.here}:function:${var.name}"
  glue          = "arn:${local.partition}:glue:${local.here}"
  log_group_arn = "arn:${local.partition}:logs:${local.here}:log-group:${var.log_group_name}"

  # The tables are made by whoever fills the lake, so they are named by their database.
  glue_tables = [
    "${local.glue}:catalog",
    "${local.glue}:database/${var.lake.database_name}",
    "${local.glue}:table/${var.lake.database_name}/*",
  ]
}

resource "aws_iam_role" "function" {
  name               = "${var.name}-function"
  description        = "What the function ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.function_trust.json

  permissions_boundary = var.permissions_boundary_arn
}

data "aws_iam_policy_document" "function_trust" {
  statement {
    sid     = "OnlyLambda"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "function"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

data "aws_iam_policy_document" "function" {
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:*"] # its streams, which Lambda names
  }

  statement {
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"] # X-Ray knows no resources for them
  }

  statement {
    sid     = "MakeNetworkInterfaces"
    actions = ["ec2:CreateNetworkInterface"]
    resources = concat(
      ["${local.ec2}:network-interface/*"], # those to come have no ids yet
      [for id in var.network.subnet_ids : "${local.ec2}:subnet/${id}"],
      [for id in var.network.security_group_ids : "${local.ec2}:security-group/${id}"],
    )
  }

  statement {
    sid       = "KeepNetworkInterfaces"
    actions   = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
    resources = ["${local.ec2}:*/*"] # Lambda's guide has it so: with less, the function may not get into its VPC
  }

  statement {
    sid       = "FindNetworkInterfaces"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"] # EC2 knows no resources for them
  }

  # The rights to network interfaces are for Lambda, which has the same role, and not for the code.
  statement {
    sid    = "KeepCodeFromNetworkInterfaces"
    effect = "Deny"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"] # a refusal holds for all there are

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.function_arn]
    }
  }

  statement {
    sid     = "SignInToDatabase"
    actions = ["rds-db:connect"]
    resources = [
      for user in sort(var.database.users) :
      "arn:${local.partition}:rds-db:${local.here}:dbuser:${var.database.connect_resource_id}/${user}"
    ]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secrets.shared_arn, var.secrets.partner_arn]
  }

  statement {
    sid       = "PutJobs"
    actions   = ["sqs:SendMessage"]
    resources = [var.queues.jobs_arn]
  }

  statement {
    sid       = "TakeJobs"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [var.queues.jobs_arn]
  }

  statement {
    sid       = "KeepFailedInvocations"
    actions   = ["sqs:SendMessage"]
    resources = [var.queues.undelivered_arn]
  }

  statement {
    sid = "RunQueries"
    actions = [
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = [var.lake.workgroup_arn]
  }

  statement {
    sid       = "ListTables"
    actions   = ["glue:GetTable", "glue:GetTables"]
    resources = local.glue_tables
  }

  # Athena reads the lake with the rights of whoever starts a query.
  statement {
    sid       = "PlanQueries"
    actions   = ["glue:BatchGetPartition", "glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions"]
    resources = concat(local.glue_tables, ["${local.glue}:database/default"]) # Athena asks for this one each time
  }

  statement {
    sid       = "ReadLake"
    actions   = ["s3:GetObject"]
    resources = ["${var.lake.bucket_arn}/*"]
  }

  statement {
    sid       = "FindLake"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [var.lake.bucket_arn]
  }

  statement {
    sid       = "KeepResults"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${var.lake.results_bucket_arn}/*"]
  }

  statement {
    sid       = "FindResults"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [var.lake.results_bucket_arn]
  }
}
