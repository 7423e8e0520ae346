variable "name" {
  description = "Name of the secret that Fullbay's keys share, such as headgate-dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name must begin with a letter and hold 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "environment" {
  description = "Environment, which begins the name of the partner's secret."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "The environment must begin with a letter and hold 2 to 12 lower-case letters, digits and hyphens."
  }
}

variable "recovery_window_days" {
  description = "Days in which a deleted secret can be restored. With 0 it is gone at once, and its name free again."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "The recovery window must be 0 or 7 to 30 days."
  }
}
