# What the roles that a deployment makes may do at most, whatever their own policies say. A statement here gives
# nothing: what the function may do is in the module `permissions`. It names the installation's own things where AWS
# lets it.

locals {
  here = "${data.aws_region.current.name}:${local.account}"
  glue = "arn:${local.partition}:glue:${local.here}"

  database = replace(var.name, "-", "_")
}

resource "aws_iam_policy" "boundary" {
  name        = "${local.own}-boundary"
  description = "What roles of ${var.name} may do at most"
  policy      = data.aws_iam_policy_document.boundary.json
}

data "aws_iam_policy_document" "boundary" {
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
    ]
    resources = ["arn:${local.partition}:logs:${local.here}:log-group:*${var.name}*"]
  }

  statement {
    sid       = "SendTraces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"] # X-Ray knows no resources for them
  }

  statement {
    sid = "HaveNetworkInterfaces"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["arn:${local.partition}:ec2:${local.here}:*/*"] # Lambda makes them, under ids that nobody knows before
  }

  statement {
    sid       = "FindNetworkInterfaces"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"] # EC2 knows no resources for them
  }

  statement {
    sid       = "SignInToDatabase"
    actions   = ["rds-db:connect"]
    resources = ["arn:${local.partition}:rds-db:${local.here}:dbuser:*/headgate*"]
  }

  statement {
    sid     = "ReadSecrets"
    actions = ["secretsmanager:GetSecretValue"]
    resources = [
      "arn:${local.partition}:secretsmanager:${local.here}:secret:${var.name}*",
      "arn:${local.partition}:secretsmanager:${local.here}:secret:${var.environment}/api/credentials-*",
    ]
  }

  statement {
    sid       = "UseQueues"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = ["arn:${local.partition}:sqs:${local.here}:${var.name}-*"]
  }

  statement {
    sid = "RunQueries"
    actions = [
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = ["arn:${local.partition}:athena:${local.here}:workgroup/${var.name}"]
  }

  statement {
    sid = "ReadCatalog"
    actions = [
      "glue:BatchGetPartition",
      "glue:GetDatabase",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:GetTable",
      "glue:GetTables",
    ]
    resources = [
      "${local.glue}:catalog",
      "${local.glue}:database/default", # Athena asks for it with each query
      "${local.glue}:database/${local.database}",
      "${local.glue}:table/${local.database}/*",
    ]
  }

  statement {
    sid = "UseBuckets"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.s3}:${var.name}-*"]
  }
}
