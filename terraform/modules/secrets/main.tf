# Secrets without values. People put these, so that no state, plan or log ever holds one.

resource "aws_secretsmanager_secret" "shared" {
  # checkov:skip=CKV_AWS_149:The key of the account (aws/secretsmanager) encrypts it; who may read it is said by IAM
  # checkov:skip=CKV2_AWS_57:Fullbay's keys are made by Fullbay, and no function can ask for new ones
  name                    = var.name
  description             = "Keys of Fullbay, one for each shop"
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret" "partner" {
  # checkov:skip=CKV_AWS_149:The key of the account (aws/secretsmanager) encrypts it; who may read it is said by IAM
  # checkov:skip=CKV2_AWS_57:The partner issues these credentials, and no function can ask for new ones
  name                    = "${var.environment}/api/credentials"
  description             = "Address and OAuth credentials of the partner's API"
  recovery_window_in_days = var.recovery_window_days
}
