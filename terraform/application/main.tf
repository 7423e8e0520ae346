# What changes with every release: the function and who may call it, its schedules and its alarms. What they stand on is
# made by terraform/foundation, and read from its state.

data "terraform_remote_state" "foundation" {
  backend = "s3"

  config = {
    bucket = var.state_bucket
    key    = "headgate/${var.environment}/foundation.tfstate"
    region = var.region
  }
}

locals {
  name       = "headgate-${var.environment}"
  foundation = data.terraform_remote_state.foundation.outputs

  has_way_out = length(local.foundation.network.nat_addresses) > 0
  network = {
    subnet_ids         = local.foundation.network.private_subnet_ids
    security_group_ids = [local.foundation.network.function_security_group_id]
  }

  # The deployment decides these. What is null is not set, and service/config.py has a default.
  decided = {
    ENVIRONMENT                 = var.environment
    AURORA_ENDPOINT             = local.foundation.database.endpoint
    DB_PORT                     = local.foundation.database.port
    DATABASE_NAME               = local.foundation.database.name
    DATABASE_USER               = local.foundation.database.app_user
    DATABASE_MIGRATION_USER     = local.foundation.database.migration_user
    DATABASE_IAM_AUTH           = true
    DEADLINE_SECONDS            = local.foundation.database.deadline_seconds # by which a proxy stops statements, too
    COGNITO_USER_POOL_ID        = local.foundation.identity.user_pool_id
    COGNITO_CLIENT_ID           = local.foundation.identity.user_client_id
    TOKEN_AUDIENCE              = join(",", concat(values(local.foundation.identity.partner_client_ids), [local.foundation.identity.smoke_client_id]))
    TOKEN_SCOPE_PREFIX          = local.foundation.identity.scope_prefix
    SECRETS_MANAGER_SECRET_NAME = local.foundation.secrets.shared.name
    API_SECRET_NAME             = local.foundation.secrets.partner.name
    ATHENA_WORKGROUP            = local.foundation.lake.workgroup
    ATHENA_DATABASE             = local.foundation.lake.database_name
    ATHENA_OUTPUT_BUCKET        = local.foundation.lake.results_bucket
    JOBS_QUEUE_URL              = local.foundation.queues.jobs.url
    CORS_ORIGINS                = length(var.cors_origins) > 0 ? join(",", var.cors_origins) : null
    BASE_PATH                   = try(var.domain.base_path, "") == "" ? null : "/${var.domain.base_path}"

    # With several addresses it depends on the zone of an invocation: then the service asks which one it has.
    FULLBAY_SERVER_IP = length(local.foundation.network.nat_addresses) == 1 ? local.foundation.network.nat_addresses[0] : null
  }

  # The people of the environment decide these, each by the name of its variable.
  settings = merge(var.settings, {
    fullbay_ip_services = try(join(" ", var.settings.fullbay_ip_services), null)
    export_tables = var.settings.export_tables == null ? null : jsonencode({
      for table, rule in var.settings.export_tables : table => { for name, value in rule : name => value if value != null }
    })
  })

  environment = merge(
    { for name, value in local.decided : name => tostring(value) if value != null },
    { for name, value in local.settings : upper(name) => tostring(value) if value != null },
  )
}

module "permissions" {
  source = "../modules/permissions"

  name                     = local.name
  log_group_name           = module.function.log_group_name
  network                  = local.network
  permissions_boundary_arn = local.foundation.pipeline.permissions_boundary_arn

  database = {
    connect_resource_id = local.foundation.database.connect_resource_id
    users               = [local.foundation.database.app_user, local.foundation.database.migration_user]
  }

  queues = {
    jobs_arn        = local.foundation.queues.jobs.arn
    undelivered_arn = local.foundation.queues.undelivered.arn
  }

  secrets = {
    shared_arn  = local.foundation.secrets.shared.arn
    partner_arn = local.foundation.secrets.partner.arn
  }

  lake = {
    workgroup_arn      = local.foundation.lake.workgroup_arn
    database_name      = local.foundation.lake.database_name
    bucket_arn         = local.foundation.lake.bucket_arn
    results_bucket_arn = local.foundation.lake.results_bucket_arn
  }
}

module "function" {
  source = "../modules/function"

  name         = local.name
  image_uri    = "${local.foundation.registry.repository_url}@${var.image_digest}"
  live_version = var.live_version
  role_arn     = module.permissions.function_role_arn
  environment  = local.environment
  network      = local.network

  architecture            = var.function.architecture
  memory_mb               = var.function.memory_mb
  timeout_seconds         = var.function.timeout_seconds
  ephemeral_storage_mb    = var.function.ephemeral_storage_mb
  reserved_concurrency    = var.function.reserved_concurrency
  provisioned_concurrency = var.function.provisioned_concurrency
  log_retention_days      = var.function.log_retention_days

  jobs = {
    queue_arn           = local.foundation.queues.jobs.arn
    maximum_concurrency = var.jobs.maximum_concurrency
  }

  undelivered_queue_arn = local.foundation.queues.undelivered.arn
}

module "api" {
  source = "../modules/api"

  name               = local.name
  stage_name         = var.environment
  routes             = var.routes
  cors_origins       = var.cors_origins
  domain             = var.domain
  log_retention_days = var.function.log_retention_days

  function = {
    name       = module.function.function_name
    alias      = module.function.alias_name
    invoke_arn = module.function.alias_invoke_arn
  }

  authorizer = {
    issuer       = local.foundation.identity.issuer
    audience     = local.foundation.identity.client_ids
    scope_prefix = local.foundation.identity.scope_prefix
  }
}

module "schedules" {
  source = "../modules/schedules"

  name                  = local.name
  schedules             = var.schedules
  lake_bucket           = var.export_new_files ? local.foundation.lake.bucket : null
  role_arn              = module.permissions.scheduler_role_arn
  jobs_queue_arn        = local.foundation.queues.jobs.arn
  undelivered_queue_arn = local.foundation.queues.undelivered.arn
}

module "observability" {
  source = "../modules/observability"

  name         = local.name
  environment  = var.environment
  alert_emails = var.alert_emails
  thresholds   = var.thresholds

  function = {
    name            = module.function.function_name
    timeout_seconds = var.function.timeout_seconds
  }

  api = {
    id    = module.api.api_id
    stage = module.api.stage_name
  }

  queues = {
    jobs         = local.foundation.queues.jobs.name
    dead_letters = local.foundation.queues.dead_letters.name
    undelivered  = local.foundation.queues.undelivered.name
  }

  database = {
    cluster_identifier = local.foundation.database.cluster_identifier
    min_capacity       = local.foundation.database.min_capacity
    max_capacity       = local.foundation.database.max_capacity
    proxy_name         = local.foundation.database.proxy_name
  }

  freshness = {
    for name, schedule in var.schedules : name => {
      source          = schedule.arguments["source"]
      resource        = lookup(schedule.arguments, "resource", schedule.arguments["source"])
      max_age_seconds = schedule.freshness_seconds
    } if schedule.enabled && schedule.freshness_seconds != null
  }
}
