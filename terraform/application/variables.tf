variable "environment" {
  description = "Name of the environment, such as dev. What belongs to it is called headgate-<environment>, and its paths begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "environment must have 2 to 12 lower-case letters, digits and -, and begin with a letter."
  }
}

variable "region" {
  description = "Region of AWS, the one of the foundation."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be one of AWS, such as eu-west-1."
  }
}

variable "state_bucket" {
  description = "The bucket that holds the state of the foundation."
  type        = string
}

variable "image_digest" {
  description = "Digest of the image in the registry. Each other digest is a new version of the function."
  type        = string

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image_digest))
    error_message = "image_digest must be sha256: and 64 hexadecimal digits."
  }
}

variable "live_version" {
  description = "The version that serves; null is the newest. A release gives the old one until the database is migrated."
  type        = string
  default     = null

  validation {
    condition     = var.live_version == null || can(regex("^[1-9][0-9]*$", var.live_version))
    error_message = "live_version must be the number of a version, or null."
  }
}

variable "routes" {
  description = "Routes of the API by key: who may call each, and how often a second. `make routes` writes them to routes.auto.tfvars.json."
  type = map(object({
    access                 = string
    throttling_burst_limit = number
    throttling_rate_limit  = number
  }))
}

variable "function" {
  description = "Size and quotas of the function. reserved_concurrency is what it may and can take of the account's invocations; null is the account's pool."
  type = object({
    architecture            = optional(string, "arm64")
    memory_mb               = optional(number, 1024)
    timeout_seconds         = optional(number, 300)
    ephemeral_storage_mb    = optional(number, 512)
    reserved_concurrency    = optional(number)
    provisioned_concurrency = optional(number, 0)
    log_retention_days      = optional(number, 30)
  })
  default = {}

  validation {
    condition     = local.foundation.queues.jobs.visibility_timeout_seconds >= 6 * var.function.timeout_seconds
    error_message = "A job must be hidden for six times function.timeout_seconds, or a second one begins while the first one works: raise the foundation's visibility timeout."
  }
}

variable "jobs" {
  description = "How many jobs run at once, 2 to 1000. It must leave invocations of function.reserved_concurrency to requests."
  type = object({
    maximum_concurrency = optional(number, 2)
  })
  default = {}
}

variable "schedules" {
  description = "Jobs that begin by themselves, by name: see the module schedules. freshness_seconds is how old what a schedule reads may get before there is an alarm; null is none."
  type = map(object({
    job                 = string
    description         = optional(string)
    arguments           = optional(map(string), {})
    expression          = string
    timezone            = optional(string, "UTC")
    enabled             = optional(bool, true)
    window_minutes      = optional(number)
    maximum_age_seconds = optional(number, 3600)
    maximum_attempts    = optional(number, 185)
    freshness_seconds   = optional(number)
  }))
  default = {}

  # Every job that there is calls Fullbay or the partner.
  validation {
    condition     = local.has_way_out || !anytrue([for schedule in values(var.schedules) : schedule.enabled])
    error_message = "Schedules call Fullbay or the partner, and this network has no way out (the foundation's network.nat is \"none\"): give it one, or set enabled = false."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : schedule.freshness_seconds == null || contains(keys(schedule.arguments), "source")])
    error_message = "freshness_seconds is for schedules that read: their arguments name a source."
  }
}

variable "export_new_files" {
  description = "Whether the table of a file that has come into the lake is exported."
  type        = bool
  default     = false

  validation {
    condition     = local.has_way_out || !var.export_new_files
    error_message = "Exports call the partner, and this network has no way out (the foundation's network.nat is \"none\"): give it one, or set export_new_files = false."
  }
}

variable "cors_origins" {
  description = "Web origins whose pages may call the API, such as https://app.example.com."
  type        = list(string)
  default     = []
}

variable "domain" {
  description = "A domain of one's own, with a certificate of ACM in the same region: see the module api. Null is API Gateway's."
  type = object({
    name            = string
    certificate_arn = string
    base_path       = optional(string, "")
    zone_id         = optional(string)
  })
  default = null
}

variable "alert_emails" {
  description = "Addresses that alarms are sent to. Each has to confirm once."
  type        = set(string)
  default     = []
}

variable "thresholds" {
  description = "When alarms go off, where that is not the default: see the module observability."
  type = object({
    error_percent       = optional(number)
    latency_seconds     = optional(number)
    job_age_seconds     = optional(number)
    rejects             = optional(number)
    capacity_percent    = optional(number)
    connections_percent = optional(number)
  })
  default = {}
}

variable "settings" {
  description = "Environment variables of the function that need not be set, each by its name in lower case. docs/configuration.md says what each does, and its default."
  type = object({
    database_connect_seconds         = optional(number)
    fullbay_api_base_url             = optional(string)
    fullbay_api_version              = optional(string)
    fullbay_app_base_url             = optional(string)
    fullbay_ip_services              = optional(list(string))
    fullbay_lookback_days            = optional(number)
    fullbay_overlap_seconds          = optional(number)
    fullbay_page_size                = optional(number)
    fullbay_timeout_seconds          = optional(number)
    fullbay_invoices_timeout_seconds = optional(number)
    fullbay_pause_ms                 = optional(number)
    fullbay_max_retries              = optional(number)
    export_tables = optional(map(object({
      key  = optional(list(string), [])
      date = optional(string)
    })))
    batch_size                 = optional(number)
    max_records                = optional(number)
    export_concurrency         = optional(number)
    export_requests_per_second = optional(number)
    export_max_retries         = optional(number)
    export_timeout_seconds     = optional(number)
    export_query_seconds       = optional(number)
    event_validation           = optional(string)
    max_bulk_events            = optional(number)
    max_body_bytes             = optional(number)
    log_level                  = optional(string)
  })
  default = {}

  # With others the function would not start; the most of max_body_bytes is Lambda's.
  validation {
    condition = alltrue([
      for name, range in {
        database_connect_seconds         = [0.1, 60]
        fullbay_lookback_days            = [1, 366]
        fullbay_overlap_seconds          = [0, 86400]
        fullbay_page_size                = [1, 1000]
        fullbay_timeout_seconds          = [0.1, 900]
        fullbay_invoices_timeout_seconds = [0.1, 3600]
        fullbay_pause_ms                 = [0, 60000]
        fullbay_max_retries              = [0, 10000]
        batch_size                       = [1, 10000]
        max_records                      = [1, 100000000]
        export_concurrency               = [1, 32]
        export_requests_per_second       = [0, 10000]
        export_max_retries               = [0, 10000]
        export_timeout_seconds           = [0.1, 900]
        export_query_seconds             = [1, 86400]
        max_bulk_events                  = [1, 10000]
        max_body_bytes                   = [1024, 6291456]
      } : var.settings[name] == null ? true : var.settings[name] >= range[0] && var.settings[name] <= range[1]
    ])
    error_message = "A number of settings is outside the range that docs/configuration.md names for it (max_body_bytes: up to 6291456)."
  }

  validation {
    condition = alltrue([
      for url in concat([var.settings.fullbay_api_base_url, var.settings.fullbay_app_base_url], coalesce(var.settings.fullbay_ip_services, [])) :
      url == null ? true : can(regex("^https://[^/@?#[:space:]]+(/[^@?#[:space:]]*)?$", url))
    ])
    error_message = "URLs of settings must begin with https://, and have no user, query or fragment."
  }

  validation {
    condition     = contains(["structural", "strict"], coalesce(var.settings.event_validation, "structural"))
    error_message = "settings.event_validation must be structural or strict."
  }

  validation {
    condition     = contains(["debug", "info", "warn", "error"], coalesce(var.settings.log_level, "info"))
    error_message = "settings.log_level must be debug, info, warn or error."
  }

  validation {
    condition     = var.settings.fullbay_api_version == null ? true : can(regex("^[A-Za-z0-9._-]{1,32}$", var.settings.fullbay_api_version))
    error_message = "settings.fullbay_api_version must be a part of a path, such as v1."
  }

  validation {
    condition     = alltrue([for table in try(keys(var.settings.export_tables), []) : can(regex("^[a-z0-9_]{1,255}$", table))])
    error_message = "settings.export_tables must name tables of the lake: lower-case letters, digits and _."
  }
}
