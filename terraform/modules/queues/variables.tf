variable "name" {
  description = "Beginning of the queues' names. EventBridge rules whose names begin with it may send to them."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name must begin with a letter and hold 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "visibility_timeout_seconds" {
  description = "Time after which an unfinished job is taken again: at least six times the function's timeout."
  type        = number
  default     = 1800

  validation {
    condition     = var.visibility_timeout_seconds >= 30 && var.visibility_timeout_seconds <= 43200
    error_message = "The visibility timeout must be 30 seconds to 12 hours."
  }
}

variable "max_receive_count" {
  description = "Attempts at a job before it becomes a dead letter."
  type        = number
  default     = 5

  validation {
    # Fewer than 5, and throttling alone makes dead letters of jobs that were never begun.
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "A job must have 5 to 1000 attempts."
  }
}
