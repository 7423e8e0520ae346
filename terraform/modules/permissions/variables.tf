variable "name" {
  description = "Name of the installation, such as headgate-dev. Roles begin with it; the function and the group of schedules are called so."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,50}$", var.name))
    error_message = "The name takes 3 to 51 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "log_group_name" {
  description = "Log group of the function, the only one that it writes to."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]+$", var.log_group_name))
    error_message = "The log group is one, without a wildcard."
  }
}

variable "network" {
  description = "Where Lambda puts the function's network interfaces: subnets and security groups, by their ids."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) > 0 && length(var.network.security_group_ids) > 0
    error_message = "At least one subnet and one security group are needed."
  }
}

variable "database" {
  description = "Whom the function signs in as: users, and the id that rds-db:connect is bound to (cluster-… or prx-…)."
  type = object({
    connect_resource_id = string
    users               = set(string)
  })

  validation {
    condition     = can(regex("^(cluster|prx)-[A-Za-z0-9]+$", var.database.connect_resource_id))
    error_message = "The id is the resource id of a cluster (cluster-…) or of a proxy (prx-…)."
  }

  validation {
    condition     = length(var.database.users) > 0 && alltrue([for user in var.database.users : can(regex("^[a-z_][a-z0-9_]*$", user))])
    error_message = "The users are named one by one."
  }
}

variable "queues" {
  description = "Queues by their ARNs: jobs, and what could not be delivered."
  type = object({
    jobs_arn        = string
    undelivered_arn = string
  })

  validation {
    condition     = alltrue([for arn in values(var.queues) : can(regex("^arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "Each is the whole ARN of one queue."
  }
}

variable "secrets" {
  description = "Secrets by their ARNs: the shared one, and the partner's."
  type = object({
    shared_arn  = string
    partner_arn = string
  })

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", arn))])
    error_message = "Each is the whole ARN of one secret."
  }
}

variable "lake" {
  description = "The lake: work group, database of Glue, the bucket of its data, and that of Athena's results."
  type = object({
    workgroup_arn      = string
    database_name      = string
    bucket_arn         = string
    results_bucket_arn = string
  })

  validation {
    condition     = can(regex("^arn:[a-z-]+:athena:[a-z0-9-]+:[0-9]{12}:workgroup/[A-Za-z0-9._-]+$", var.lake.workgroup_arn))
    error_message = "The work group is the whole ARN of one."
  }

  validation {
    condition     = can(regex("^[a-z0-9_]+$", var.lake.database_name))
    error_message = "The database is one, by its name."
  }

  validation {
    condition = alltrue([
      for arn in [var.lake.bucket_arn, var.lake.results_bucket_arn] : can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", arn))
    ])
    error_message = "Each bucket is the whole ARN of one, without a path."
  }
}

variable "permissions_boundary_arn" {
  description = "What bounds the roles, where whoever makes them may make none without it."
  type        = string
  default     = null
}
