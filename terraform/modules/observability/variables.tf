variable "name" {
  description = "Name of the installation, such as headgate-dev. Alarms, topic and dashboard begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,50}$", var.name))
    error_message = "The name takes 3 to 51 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "environment" {
  description = "What the function is told as ENVIRONMENT: the dimension Environment of its own metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "The environment takes 2 to 12 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "function" {
  description = "The function: its name, and after how many seconds Lambda ends an invocation."
  type = object({
    name            = string
    timeout_seconds = number
  })

  validation {
    condition     = var.function.timeout_seconds >= 1 && var.function.timeout_seconds <= 900
    error_message = "Lambda ends an invocation after 1 to 900 seconds."
  }
}

variable "api" {
  description = "The HTTP API: its id and its stage."
  type = object({
    id    = string
    stage = string
  })
}

variable "queues" {
  description = "Queues by their names: jobs, the dead letters of jobs, and what could not be delivered."
  type = object({
    jobs         = string
    dead_letters = string
    undelivered  = string
  })
}

variable "database" {
  description = "Aurora: the cluster, its capacity in ACUs, and the proxy in front of it, null where there is none."
  type = object({
    cluster_identifier = string
    min_capacity       = number
    max_capacity       = number
    proxy_name         = optional(string)
  })

  validation {
    condition     = var.database.max_capacity >= 1 && var.database.max_capacity >= var.database.min_capacity
    error_message = "The largest capacity is at least 1 ACU, and no smaller than the smallest."
  }
}

variable "freshness" {
  description = "How old what is read may get, by the name of the schedule that reads it. Empty where nothing is scheduled."
  type = map(object({
    source          = string
    resource        = string
    max_age_seconds = number
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.freshness) : can(regex("^[a-z0-9-]+$", name))])
    error_message = "Names take lower-case letters, digits and dashes."
  }

  validation {
    condition     = alltrue([for each in values(var.freshness) : each.max_age_seconds >= 7200 && each.max_age_seconds <= 604800])
    error_message = "CloudWatch looks back 7 days at most, and here by the hour: max_age_seconds is 7200 to 604800."
  }
}

variable "thresholds" {
  description = "Where alarms begin: above which share of answers 5xx, 95th percentile of answers in seconds, age of a job in seconds, records and rows refused an hour, and shares of the database's capacity and connections."
  type = object({
    error_percent       = optional(number, 1)
    latency_seconds     = optional(number, 2)
    job_age_seconds     = optional(number, 3600)
    rejects             = optional(number, 0)
    capacity_percent    = optional(number, 90)
    connections_percent = optional(number, 80)
  })
  default = {}

  validation {
    condition = alltrue([
      for percent in [var.thresholds.error_percent, var.thresholds.capacity_percent, var.thresholds.connections_percent] :
      percent >= 0 && percent < 100
    ])
    error_message = "A share is 0 to 99 percent: nothing is above 100."
  }

  validation {
    condition     = alltrue([for value in [var.thresholds.latency_seconds, var.thresholds.job_age_seconds] : value > 0])
    error_message = "Seconds are above 0."
  }

  validation {
    condition     = var.thresholds.rejects >= 0
    error_message = "A number of rejects is not below 0."
  }
}

variable "alert_emails" {
  description = "Addresses that alarms are sent to. Each confirms once, by the link in a mail."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "Each is an address of e-mail."
  }
}
