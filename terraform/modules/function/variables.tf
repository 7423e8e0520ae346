variable "name" {
  description = "Name of the function."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-_]{1,64}$", var.name))
    error_message = "name must have at most 64 letters, digits, - and _."
  }
}

variable "image_uri" {
  description = "The image, by its digest: a tag could be moved to another one, and nobody would deploy it."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri must end in a digest: @sha256: and 64 hexadecimal digits."
  }
}

variable "live_version" {
  description = "The version that the alias live names; null is the newest."
  type        = string
  default     = null

  validation {
    condition     = var.live_version == null || can(regex("^[1-9][0-9]*$", var.live_version))
    error_message = "live_version must be the number of a version, or null."
  }
}

variable "role_arn" {
  description = "The role that the function works as. It must be allowed everything before the function is made."
  type        = string
}

variable "environment" {
  description = "The environment variables, by name. docs/configuration.md says what each does."
  type        = map(string)
}

variable "network" {
  description = "Subnets and security groups of the function's network interfaces."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) > 0 && length(var.network.security_group_ids) > 0
    error_message = "network needs a subnet and a security group: the database is reached from inside its VPC only."
  }
}

variable "architecture" {
  description = "The processor that the image is built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory in MB, 128 to 10240. The share of processor grows with it: 1769 MB are one."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "timeout_seconds" {
  description = "How long an invocation may take, 31 to 900. Requests have a deadline of their own; this is for jobs and migrations."
  type        = number
  default     = 300

  validation {
    condition     = var.timeout_seconds >= 31 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "timeout_seconds must be a whole number from 31 (more than API Gateway waits) to 900."
  }
}

variable "ephemeral_storage_mb" {
  description = "Size of /tmp in MB, 512 to 10240."
  type        = number
  default     = 512

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240 && floor(var.ephemeral_storage_mb) == var.ephemeral_storage_mb
    error_message = "ephemeral_storage_mb must be a whole number from 512 to 10240."
  }
}

variable "reserved_concurrency" {
  description = "Invocations at once: no more, and as many at any time. Null leaves the function in the account's pool."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency > var.jobs.maximum_concurrency
    error_message = "reserved_concurrency must be more than jobs.maximum_concurrency, or jobs leave requests no invocation."
  }
}

variable "provisioned_concurrency" {
  description = "Environments of the live version that are kept warm, and paid for. 0 is none."
  type        = number
  default     = 0

  validation {
    condition     = var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    error_message = "provisioned_concurrency must be a whole number, 0 or more."
  }

  validation {
    condition     = var.reserved_concurrency == null ? true : var.provisioned_concurrency <= var.reserved_concurrency
    error_message = "provisioned_concurrency is a part of reserved_concurrency and cannot be more."
  }
}

variable "log_retention_days" {
  description = "Days that the log is kept, one of those that CloudWatch knows."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of those that CloudWatch knows, such as 7, 14, 30, 90, 365."
  }
}

variable "jobs" {
  description = "The queue whose messages invoke the function, and how many at once: 2 to 1000."
  type = object({
    queue_arn           = string
    maximum_concurrency = number
  })

  validation {
    condition     = var.jobs.maximum_concurrency >= 2 && var.jobs.maximum_concurrency <= 1000 && floor(var.jobs.maximum_concurrency) == var.jobs.maximum_concurrency
    error_message = "jobs.maximum_concurrency must be a whole number from 2, the least that SQS takes, to 1000."
  }
}

variable "undelivered_queue_arn" {
  description = "The queue that asynchronous invocations end in, after their last attempt."
  type        = string
}
