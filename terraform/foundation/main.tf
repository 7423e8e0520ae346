# What changes rarely and holds data. What runs on it is made by terraform/application, which reads the outputs.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  name = "headgate-${var.environment}"
  iam  = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}"
}

# One for the account, made by .github/scripts/bootstrap.
data "aws_iam_openid_connect_provider" "github" {
  arn = "${local.iam}:oidc-provider/token.actions.githubusercontent.com"
}

module "pipeline" {
  source = "../modules/pipeline"

  name              = local.name
  environment       = var.environment
  github_repository = var.github_repository
  oidc_provider_arn = data.aws_iam_openid_connect_provider.github.arn
  state_bucket      = var.state_bucket
}

module "network" {
  source = "../modules/network"

  name                     = local.name
  cidr                     = var.network.cidr
  zones                    = var.network.zones
  nat                      = var.network.nat
  interface_endpoints      = var.network.interface_endpoints
  endpoint_zones           = var.network.endpoint_zones
  permissions_boundary_arn = module.pipeline.permissions_boundary_arn
}

module "registry" {
  source = "../modules/registry"

  name         = local.name
  images_kept  = var.images_kept
  force_delete = !var.deletion_protection
}

module "database" {
  source = "../modules/database"

  name                       = local.name
  vpc_id                     = module.network.vpc_id
  subnet_ids                 = module.network.private_subnet_ids
  function_security_group_id = module.network.function_security_group_id
  engine_version             = var.database.engine_version
  min_capacity               = var.database.min_capacity
  max_capacity               = var.database.max_capacity
  seconds_until_pause        = var.database.seconds_until_pause
  instances                  = var.database.instances
  enable_proxy               = var.database.enable_proxy
  deadline_seconds           = var.database.deadline_seconds
  backup_retention_days      = var.database.backup_retention_days
  final_snapshot             = var.database.final_snapshot
  deletion_protection        = var.deletion_protection
  permissions_boundary_arn   = module.pipeline.permissions_boundary_arn
}

module "identity" {
  source = "../modules/identity"

  name                = local.name
  scopes              = var.scopes
  partners            = var.partners
  deletion_protection = var.deletion_protection
}

module "lake" {
  source = "../modules/lake"

  name                  = local.name
  result_retention_days = var.lake.result_retention_days
  max_scanned_gigabytes = var.lake.max_scanned_gigabytes
  force_destroy         = !var.deletion_protection
}

module "queues" {
  source = "../modules/queues"

  name                       = local.name
  visibility_timeout_seconds = var.jobs.visibility_timeout_seconds
  max_receive_count          = var.jobs.max_receive_count
}

module "secrets" {
  source = "../modules/secrets"

  name                 = local.name
  environment          = var.environment
  recovery_window_days = var.deletion_protection ? 30 : 0
}
