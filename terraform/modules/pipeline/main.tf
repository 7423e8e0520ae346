# Who deploys: two roles that GitHub's workflows take on without a stored key, one to plan and one to apply.
#
# Neither can change itself, the other, or the boundary: their names do not begin with the installation's, so no right
# to what does reaches them. A change to this module is applied by a person, as the first apply is.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  iam       = "arn:${local.partition}:iam::${local.account}"
  s3        = "arn:${local.partition}:s3::"

  roles     = "${local.iam}:role/${var.name}-*"
  own       = "pipeline-${var.name}"
  own_state = "${local.s3}:${var.state_bucket}/headgate/${var.environment}/*"

  # Environments of GitHub, whose rules a job has to meet before it gets its token.
  environments = {
    plan  = "${var.environment}-plan"
    apply = var.environment
  }

  managed = {
    plan  = "ReadOnlyAccess"
    apply = "PowerUserAccess"
  }
}

resource "aws_iam_role" "this" {
  for_each = local.environments

  name               = "${local.own}-${each.key}"
  description        = "Lets workflows of ${var.github_repository} ${each.key} ${var.environment}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

data "aws_iam_policy_document" "trust" {
  # checkov:skip=CKV_AWS_358:the repository is a variable, whose value it does not know; pipeline.tftest.hcl looks at the subject
  for_each = local.environments

  statement {
    sid     = "OnlyThisEnvironmentOfTheRepository"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${each.value}"]
    }
  }
}

# All that Terraform reads when it compares, which grows with every resource; for apply everything but IAM.
resource "aws_iam_role_policy_attachment" "this" {
  for_each = local.managed

  role       = aws_iam_role.this[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}
