# RDS Proxy: many environments of the function share few connections, and a failover costs them no connection.

locals {
  proxies     = var.enable_proxy ? 1 : 0
  proxy_users = var.enable_proxy ? toset([local.app_user, local.migration_user]) : toset([])

  # The proxy refuses startup options. These are the settings of service/database/connection.py, which gives them
  # itself where there is no proxy.
  milliseconds = var.deadline_seconds * 1000
  session = {
    statement_timeout                   = format("%.0f", local.milliseconds * 0.9)
    lock_timeout                        = format("%.0f", local.milliseconds * 0.7)
    idle_in_transaction_session_timeout = format("%.0f", local.milliseconds * 2)
    timezone                            = "UTC"
    client_connection_check_interval    = "1000"
  }
}

# Without values: `database-users` makes passwords, tells them to PostgreSQL and keeps them here.
resource "aws_secretsmanager_secret" "user" {
  # checkov:skip=CKV_AWS_149:The key of the account (aws/secretsmanager) encrypts it; who may read it is said by IAM
  # checkov:skip=CKV2_AWS_57:ROTATE=true database-users makes new passwords, which PostgreSQL has to be told
  for_each = local.proxy_users

  name        = "${var.name}/database/${each.key}"
  description = "Password by which the proxy signs in as ${each.key}"
  # Nothing is lost with it, and the name is free again when the proxy comes back.
  recovery_window_in_days = 0
}

data "aws_iam_policy_document" "proxy_trust" {
  statement {
    sid     = "ProxiesOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["rds.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

data "aws_iam_policy_document" "proxy" {
  count = local.proxies

  statement {
    sid       = "ReadThePasswordsOfItsUsers"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for user in local.proxy_users : aws_secretsmanager_secret.user[user].arn]
  }
}

resource "aws_iam_role" "proxy" {
  count = local.proxies

  name                 = "${var.name}-proxy"
  description          = "Lets the proxy of ${var.name} read the passwords of its users"
  assume_role_policy   = data.aws_iam_policy_document.proxy_trust.json
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "proxy" {
  count = local.proxies

  name   = "passwords"
  role   = aws_iam_role.proxy[0].name
  policy = data.aws_iam_policy_document.proxy[0].json
}

resource "aws_security_group" "proxy" {
  # checkov:skip=CKV2_AWS_5:The proxy below is in it, where there is one
  count = local.proxies

  name        = "${var.name}-proxy"
  description = "The proxy of the database of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-proxy" }
}

resource "aws_vpc_security_group_ingress_rule" "proxy" {
  count = local.proxies

  security_group_id            = aws_security_group.proxy[0].id
  description                  = "The function"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = var.function_security_group_id
}

resource "aws_vpc_security_group_egress_rule" "proxy" {
  count = local.proxies

  security_group_id            = aws_security_group.proxy[0].id
  description                  = "The database"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = aws_security_group.database.id
}

resource "aws_cloudwatch_log_group" "proxy" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts it with its own key; the log holds no statements
  # checkov:skip=CKV_AWS_338:What the proxy said is looked at within weeks
  count = local.proxies

  name              = "/aws/rds/proxy/${var.name}"
  retention_in_days = 30
}

resource "aws_db_proxy" "this" {
  count = local.proxies

  name                   = var.name
  engine_family          = "POSTGRESQL"
  role_arn               = aws_iam_role.proxy[0].arn
  require_tls            = true
  vpc_subnet_ids         = var.subnet_ids
  vpc_security_group_ids = [aws_security_group.proxy[0].id]

  dynamic "auth" {
    for_each = aws_secretsmanager_secret.user

    content {
      auth_scheme = "SECRETS"
      # checkov:skip=CKV_SECRET_6:It is the name of a method
      client_password_auth_type = "POSTGRES_SCRAM_SHA_256"
      iam_auth                  = "REQUIRED"
      secret_arn                = auth.value.arn
    }
  }

  depends_on = [aws_cloudwatch_log_group.proxy, aws_iam_role_policy.proxy]
}

resource "aws_db_proxy_default_target_group" "this" {
  count = local.proxies

  db_proxy_name = aws_db_proxy.this[0].name

  connection_pool_config {
    # The rest is for the Data API and for people.
    max_connections_percent = 90
    # Within the time in which the service gives up connecting.
    connection_borrow_timeout = 3
    init_query                = join("; ", [for name, value in local.session : "SET ${name} = '${value}'"])
  }
}

resource "aws_db_proxy_target" "this" {
  count = local.proxies

  db_proxy_name         = aws_db_proxy.this[0].name
  target_group_name     = aws_db_proxy_default_target_group.this[0].name
  db_cluster_identifier = aws_rds_cluster.this.cluster_identifier

  # A cluster without instances is no target.
  depends_on = [aws_rds_cluster_instance.this]
}
