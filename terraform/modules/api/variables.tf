variable "name" {
  description = "Name of the API."
  type        = string
}

variable "stage_name" {
  description = "Name of the stage: the first segment of every path, unless the API has a domain."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,128}$", var.stage_name))
    error_message = "stage_name must have at most 128 letters, digits, - and _."
  }
}

variable "routes" {
  description = "Routes by key, such as GET /goals/{goalId}: who may call each (public, user or a scope), and how often a second."
  type = map(object({
    access                 = string
    throttling_burst_limit = number
    throttling_rate_limit  = number
  }))

  validation {
    condition     = length(var.routes) > 0 && alltrue([for key in keys(var.routes) : can(regex("^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[^ ?#]*$", key))])
    error_message = "Each key of routes must be a method and a path, such as GET /goals/{goalId}, and there must be some."
  }

  validation {
    condition     = alltrue([for route in values(var.routes) : can(regex("^(public|user|[a-z][a-z0-9-]*:[a-z]+)$", route.access))])
    error_message = "access must be public, user, or a scope such as events:write."
  }

  validation {
    condition     = alltrue([for route in values(var.routes) : route.throttling_burst_limit >= 1 && route.throttling_rate_limit >= 1])
    error_message = "Throttles of 0 close a route: they must be 1 or more."
  }
}

variable "function" {
  description = "The function: its name, the alias that serves, and the ARN that invokes that alias."
  type = object({
    name       = string
    alias      = string
    invoke_arn = string
  })
}

variable "authorizer" {
  description = "Whose tokens are accepted, for which clients, and how the scopes of the routes are spelled in them."
  type = object({
    issuer       = string
    audience     = list(string)
    scope_prefix = optional(string, "")
    user_scope   = optional(string, "aws.cognito.signin.user.admin")
  })

  validation {
    condition     = startswith(var.authorizer.issuer, "https://")
    error_message = "authorizer.issuer must begin with https://."
  }

  validation {
    condition     = length(var.authorizer.audience) > 0 && length(var.authorizer.audience) <= 50
    error_message = "authorizer.audience must name 1 to 50 clients, the most that an authorizer takes."
  }
}

variable "cors_origins" {
  description = "Web origins whose pages may call the API. The service has the same list."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.cors_origins : can(regex("^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$", origin))])
    error_message = "cors_origins must list origins such as https://app.example.com, without wildcards or paths."
  }
}

variable "domain" {
  description = "A domain of one's own: its name, the ARN of its certificate in the same region, the path below which the API is (without slashes around it), and the zone of Route 53 that gets the record; null is API Gateway's domain."
  type = object({
    name            = string
    certificate_arn = string
    base_path       = optional(string, "")
    zone_id         = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null ? true : can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name))
    error_message = "domain.name must be a host name such as api.example.com, in lower case."
  }

  validation {
    condition     = var.domain == null ? true : can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.domain.certificate_arn))
    error_message = "domain.certificate_arn must be the ARN of a certificate of ACM."
  }

  validation {
    condition     = var.domain == null ? true : can(regex("^([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$", var.domain.base_path))
    error_message = "domain.base_path must be a path without slashes around it, such as headgate or partners/headgate."
  }
}

variable "log_retention_days" {
  description = "Days that the log of requests is kept, one of those that CloudWatch knows."
  type        = number
  default     = 30
}
