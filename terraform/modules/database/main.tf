data "aws_caller_identity" "this" {}

locals {
  port           = 5432
  database_name  = "headgate"
  app_user       = "headgate"
  migration_user = "headgate_migrate"
  major_version  = split(".", var.engine_version)[0]
  # UTC, while people sleep.
  backup_window      = "02:00-03:00"
  maintenance_window = "sun:03:30-sun:04:30"
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Private subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "The database of ${var.name}"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = var.enable_proxy ? "The proxy" : "The function"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = var.enable_proxy ? aws_security_group.proxy[0].id : var.function_security_group_id
}

resource "aws_vpc_security_group_egress_rule" "function" {
  security_group_id            = var.function_security_group_id
  description                  = var.enable_proxy ? "The proxy of the database" : "The database"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  referenced_security_group_id = var.enable_proxy ? aws_security_group.proxy[0].id : aws_security_group.database.id
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = "${var.name}-postgresql${local.major_version}"
  family      = "aurora-postgresql${local.major_version}"
  description = "What PostgreSQL ${local.major_version} of ${var.name} is told"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # Statements and the details of errors hold what people have sent: the log tells the error alone.
  parameter {
    name  = "log_min_error_statement"
    value = "panic"
  }
  parameter {
    name  = "log_error_verbosity"
    value = "terse"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "database" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts it with its own key; the log holds no data of people
  # checkov:skip=CKV_AWS_338:What the database said is looked at within weeks; its data are in its backups
  name              = "/aws/rds/cluster/${var.name}/postgresql"
  retention_in_days = 30
}

# Makes the name of the last snapshot one that no earlier cluster of this name has left behind.
resource "terraform_data" "life" {}

resource "aws_rds_cluster" "this" {
  # checkov:skip=CKV_AWS_327:The key of the account (aws/rds) encrypts it; no other account is to read a snapshot
  # checkov:skip=CKV2_AWS_8:RDS backs it up by itself, to any second of backup_retention_days
  # checkov:skip=CKV2_AWS_27:Logged statements would show what people have sent; Performance Insights shows them without
  cluster_identifier = var.name
  engine             = "aurora-postgresql"
  engine_version     = var.engine_version
  database_name      = local.database_name
  port               = local.port

  # Nobody signs in as this user but `database-users`, by the Data API. RDS rotates the password by itself.
  master_username                     = "postgres"
  manage_master_user_password         = true
  enable_http_endpoint                = true
  iam_database_authentication_enabled = true

  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.database.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  enabled_cloudwatch_logs_exports = ["postgresql"]
  storage_encrypted               = true

  backup_retention_period      = var.backup_retention_days
  preferred_backup_window      = local.backup_window
  preferred_maintenance_window = local.maintenance_window
  copy_tags_to_snapshot        = true
  # More capacity is wanted now, not at the next maintenance.
  apply_immediately = true

  # Lifecycle rules cannot depend on an environment: this is what keeps a cluster from being destroyed, by whomever.
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = var.final_snapshot ? "${var.name}-final-${substr(terraform_data.life.id, 0, 8)}" : null
  delete_automated_backups  = !var.final_snapshot

  serverlessv2_scaling_configuration {
    min_capacity             = var.min_capacity
    max_capacity             = var.max_capacity
    seconds_until_auto_pause = var.min_capacity == 0 ? var.seconds_until_pause : null
  }

  depends_on = [aws_cloudwatch_log_group.database]
}

resource "aws_rds_cluster_instance" "this" {
  # checkov:skip=CKV_AWS_118:Serverless capacity, connections and load are metrics without enhanced monitoring
  # checkov:skip=CKV_AWS_354:The key of the account (aws/rds) encrypts what Performance Insights keeps
  count = var.instances

  identifier         = "${var.name}-${count.index + 1}"
  cluster_identifier = aws_rds_cluster.this.id
  engine             = aws_rds_cluster.this.engine
  instance_class     = "db.serverless"
  # In these tiers a reader is as large as the writer, and can take over at once.
  promotion_tier = min(count.index, 1)

  publicly_accessible          = false
  ca_cert_identifier           = "rds-ca-rsa2048-g1"
  auto_minor_version_upgrade   = true
  preferred_maintenance_window = local.maintenance_window
  copy_tags_to_snapshot        = true
  apply_immediately            = true

  performance_insights_enabled          = true
  performance_insights_retention_period = 7
}
