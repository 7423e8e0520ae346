variable "environment" {
  description = "Name of the environment, such as dev. What belongs to it is called headgate-<environment>, and its paths begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "environment must have 2 to 12 lower-case letters, digits and -, and begin with a letter."
  }
}

variable "region" {
  description = "Region of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be one of AWS, such as eu-west-1."
  }
}

variable "state_bucket" {
  description = "The bucket that holds the states of all environments of the account."
  type        = string
}

variable "github_repository" {
  description = "The repository whose workflows deploy, as owner/name."
  type        = string
}

variable "deletion_protection" {
  description = "Whether what holds data is kept from being deleted: database, accounts, secrets, images, files. An environment without it can be taken down, and they go with it."
  type        = bool
}

variable "network" {
  description = "Addresses, zones and ways out: see the module network. With nat = \"none\" nothing but the named endpoints is reached: calls to Fullbay and the partner are off, and signing in."
  type = object({
    cidr                = string
    zones               = optional(number, 2)
    nat                 = string
    interface_endpoints = optional(set(string), [])
    endpoint_zones      = optional(number, 1)
  })

  validation {
    condition     = !contains(var.network.interface_endpoints, "cognito-idp")
    error_message = "Cognito lets no user pool that has a domain be reached through an endpoint, and this one has: network.nat is the way to it."
  }
}

variable "database" {
  description = "Size and care of the database: see the module database. With min_capacity = 0 it pauses when nobody is connected. deadline_seconds is the service's DEADLINE_SECONDS."
  type = object({
    engine_version        = optional(string, "17")
    min_capacity          = number
    max_capacity          = number
    seconds_until_pause   = optional(number, 300)
    instances             = number
    enable_proxy          = bool
    deadline_seconds      = optional(number, 4.5)
    backup_retention_days = number
    final_snapshot        = optional(bool, true)
  })
}

variable "scopes" {
  description = "What programs may be allowed to do: scope => description. `make routes` writes them to scopes.auto.tfvars.json."
  type        = map(string)
}

variable "partners" {
  description = "Programs that call the API: name of the partner => its scopes."
  type        = map(set(string))
  default     = {}
}

variable "lake" {
  description = "How long results of queries are kept, which is how long an export can be retried, and how much one query may read."
  type = object({
    result_retention_days = optional(number, 7)
    max_scanned_gigabytes = optional(number, 100)
  })
  default = {}
}

variable "jobs" {
  description = "When a job that was not finished is tried again, which is at least six times the function's timeout, and how often."
  type = object({
    visibility_timeout_seconds = optional(number, 1800)
    max_receive_count          = optional(number, 5)
  })
  default = {}
}

variable "images_kept" {
  description = "How many images the registry keeps, the newest: as many releases can be gone back to."
  type        = number
  default     = 30
}
