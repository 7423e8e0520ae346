variable "name" {
  description = "Name of the group of schedules, and what the rule's name begins with."
  type        = string
}

variable "schedules" {
  description = "Schedules by name: the job, its arguments (texts), when (rate or cron, in a time zone), whether it is on, minutes that it may be late on purpose, and how long and how often its delivery to the queue is tried."
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
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[a-z][a-z0-9-]{0,63}$", name))])
    error_message = "Names of schedules must have at most 64 lower-case letters, digits and -, and begin with a letter."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^[a-z][a-z0-9-]*$", schedule.job))])
    error_message = "job must be the name of a job, such as ingest."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : length(setintersection(["job", "event"], keys(schedule.arguments))) == 0])
    error_message = "arguments cannot hold job or event: the one is the schedule's own, the other tells its times apart."
  }

  validation {
    condition = alltrue([
      for schedule in values(var.schedules) :
      can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\([^ )]+( [^ )]+){5}\\))$", schedule.expression))
    ])
    error_message = "expression must be like rate(6 hours), or like cron(0 9 ? * MON-FRI *) with six fields."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(UTC|[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$", schedule.timezone))])
    error_message = "timezone must be UTC or a name such as America/Denver."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : schedule.window_minutes == null ? true : schedule.window_minutes >= 1 && schedule.window_minutes <= 1440])
    error_message = "window_minutes must be from 1 to 1440, or null."
  }

  validation {
    condition = alltrue([
      for schedule in values(var.schedules) :
      schedule.maximum_age_seconds >= 60 && schedule.maximum_age_seconds <= 86400 && schedule.maximum_attempts >= 0 && schedule.maximum_attempts <= 185
    ])
    error_message = "maximum_age_seconds must be from 60 to 86400, and maximum_attempts from 0 to 185."
  }
}

variable "lake_bucket" {
  description = "The bucket whose new files are exported; null is none. It must send its notifications to EventBridge."
  type        = string
  default     = null
}

variable "role_arn" {
  description = "The role that puts the jobs of schedules into the queue, and what could not be put into the other one."
  type        = string
}

variable "jobs_queue_arn" {
  description = "The queue of jobs. Its policy must let the rule put messages into it."
  type        = string
}

variable "undelivered_queue_arn" {
  description = "The queue of what could not be put. Its policy must let the rule put messages into it."
  type        = string
}
