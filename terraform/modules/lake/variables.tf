variable "name" {
  description = "Name of the installation, such as headgate-dev; the work group is called so, and the buckets begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,33}$", var.name))
    error_message = "The name takes 3 to 34 lower-case letters, digits and dashes: what is added makes it a bucket's, of 63 at most."
  }
}

variable "result_retention_days" {
  description = "Days that results of queries are kept. An export can go on, and be retried, as long as its result is there."
  type        = number
  default     = 7

  validation {
    condition     = var.result_retention_days >= 1 && floor(var.result_retention_days) == var.result_retention_days
    error_message = "Results are kept for a whole number of days, at least 1."
  }
}

variable "max_scanned_gigabytes" {
  description = "What one query may read at most, which bounds what a mistake costs; Athena stops those that read more."
  type        = number
  default     = 100

  validation {
    condition     = var.max_scanned_gigabytes >= 0.01
    error_message = "Athena takes no bound below 10 megabytes (0.01)."
  }
}

variable "force_destroy" {
  description = "Let Terraform delete the buckets and the work group with what is in them."
  type        = bool
  default     = false
}
