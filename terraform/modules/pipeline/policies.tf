# What the two roles may do beside what AWS's own policies allow, and what they may not.

resource "aws_iam_role_policy" "plan" {
  name   = "data-stay-unread"
  role   = aws_iam_role.this["plan"].name
  policy = data.aws_iam_policy_document.plan.json
}

# A plan runs what a pull request brings, before anybody has looked at it.
data "aws_iam_policy_document" "plan" {
  statement {
    sid           = "ReadNoFileButTheState"
    effect        = "Deny"
    actions       = ["s3:GetObject", "s3:GetObjectVersion"]
    not_resources = [local.own_state]
  }

  statement {
    sid    = "ReadNoData"
    effect = "Deny"
    actions = [
      "athena:GetQueryResults",
      "cognito-idp:AdminGetUser",
      "cognito-idp:ListUsers",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "logs:GetLogRecord",
      "logs:GetQueryResults",
      "logs:StartQuery",
      "rds:DownloadDBLogFilePortion",
      "sqs:ReceiveMessage",
    ]
    resources = ["*"] # a refusal holds for all there are
  }
}

resource "aws_iam_role_policy" "apply" {
  name   = "roles-within-the-boundary"
  role   = aws_iam_role.this["apply"].name
  policy = data.aws_iam_policy_document.apply.json
}

data "aws_iam_policy_document" "apply" {
  statement {
    sid = "ReadRoles"
    actions = [
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
    ]
    resources = [local.roles, "${local.iam}:role/${local.own}-*"]
  }

  statement {
    sid       = "ReadBoundary"
    actions   = ["iam:GetPolicy", "iam:GetPolicyVersion"]
    resources = [aws_iam_policy.boundary.arn]
  }

  statement {
    sid       = "ReadIdentityProvider"
    actions   = ["iam:GetOpenIDConnectProvider"]
    resources = [var.oidc_provider_arn]
  }

  # Without the boundary, whoever may make a role and give it to a function may do everything.
  statement {
    sid       = "GiveRightsWithinTheBoundary"
    actions   = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]
    resources = [local.roles]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [aws_iam_policy.boundary.arn]
    }
  }

  statement {
    sid = "KeepRoles"
    actions = [
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
    ]
    resources = [local.roles]
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = [local.roles]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values = [
        "lambda.amazonaws.com",
        "rds.amazonaws.com",
        "scheduler.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
      ]
    }
  }

  # PowerUserAccess knows no environments. Their states lie in one bucket, and each is written by its own role alone.
  statement {
    sid     = "WriteNoFileButOwn"
    effect  = "Deny"
    actions = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"]
    not_resources = [
      local.own_state,
      "${local.s3}:${var.name}-*",
    ]
  }

  statement {
    sid    = "LeaveStateBucketAsItIs"
    effect = "Deny"
    actions = [
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
    ]
    resources = ["${local.s3}:${var.state_bucket}"]
  }
}
