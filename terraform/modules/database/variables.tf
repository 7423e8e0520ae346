variable "name" {
  description = "Name of the cluster, and beginning of the names around it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name must begin with a letter and hold 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "vpc_id" {
  description = "Id of the network."
  type        = string
}

variable "subnet_ids" {
  description = "Ids of private subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Aurora needs subnets in at least two zones."
  }
}

variable "function_security_group_id" {
  description = "Id of the security group of the function, which is let in."
  type        = string
}

variable "engine_version" {
  description = "Version of PostgreSQL: the major one, whose minor versions AWS installs by itself, or an exact one."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[7-9](\\.[0-9]+)?$", var.engine_version))
    error_message = "The version must be PostgreSQL 17 or newer, such as 17 or 17.5."
  }
}

variable "min_capacity" {
  description = "Capacity at rest, in units of about 2 GiB of memory. With 0 the cluster pauses without connections."
  type        = number
  default     = 0

  validation {
    condition     = var.min_capacity >= 0 && var.min_capacity <= 256 && var.min_capacity * 2 % 1 == 0
    error_message = "The least capacity must be 0 to 256, in steps of 0.5."
  }
}

variable "max_capacity" {
  description = "Capacity under load, in the same units."
  type        = number
  default     = 2

  validation {
    condition     = var.max_capacity >= 1 && var.max_capacity <= 256 && var.max_capacity * 2 % 1 == 0
    error_message = "The largest capacity must be 1 to 256, in steps of 0.5."
  }

  validation {
    condition     = var.max_capacity >= var.min_capacity
    error_message = "The largest capacity must not be below the least."
  }
}

variable "seconds_until_pause" {
  description = "Time without connections after which the cluster pauses, where min_capacity is 0."
  type        = number
  default     = 300

  validation {
    condition     = var.seconds_until_pause >= 300 && var.seconds_until_pause <= 86400
    error_message = "A cluster pauses after 300 seconds to a day."
  }
}

variable "instances" {
  description = "Number of instances: the writer, and readers in other zones that take over from it."
  type        = number
  default     = 1

  validation {
    condition     = var.instances >= 1 && var.instances <= 15 && floor(var.instances) == var.instances
    error_message = "There must be 1 to 15 instances."
  }
}

variable "enable_proxy" {
  description = "Whether connections go through RDS Proxy."
  type        = bool
  default     = false

  validation {
    condition     = !(var.enable_proxy && var.min_capacity == 0)
    error_message = "RDS Proxy keeps the cluster awake: set min_capacity to 0.5 or more, or do without the proxy."
  }
}

variable "deadline_seconds" {
  description = "DEADLINE_SECONDS of the service, from which the proxy takes the timeouts of its connections."
  type        = number
  default     = 4.5

  validation {
    condition     = var.deadline_seconds >= 0.1 && var.deadline_seconds <= 29
    error_message = "The deadline must be 0.1 to 29 seconds: API Gateway waits for 30."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the cluster."
  type        = bool
  default     = true
}

variable "final_snapshot" {
  description = "Whether a deleted cluster leaves a last snapshot, and its backups for as long as they were to be kept."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days back to which the database can be restored, to the second."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "Backups must be kept for 1 to 35 days."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the role of the proxy. Null for no bounds."
  type        = string
  default     = null
}
