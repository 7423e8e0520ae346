variable "name" {
  description = "Name of the installation, such as headgate-dev; the pool is called so, and its domain begins with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,49}$", var.name)) && !can(regex("aws|amazon|cognito", var.name))
    error_message = "The name takes 3 to 50 lower-case letters, digits and dashes; a domain of Cognito refuses aws, amazon and cognito in it."
  }
}

variable "scopes" {
  description = "What programs may be allowed to do: scope of the service's routes => description."
  type        = map(string)

  validation {
    condition     = alltrue([for scope in ["platform:read", "items:read"] : contains(keys(var.scopes), scope)])
    error_message = "The smoke test needs the scopes platform:read and items:read."
  }

  validation {
    condition     = alltrue([for scope in keys(var.scopes) : can(regex("^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$", scope))])
    error_message = "A scope is a noun and a verb, such as events:write."
  }

  validation {
    condition     = alltrue([for text in values(var.scopes) : length(text) >= 1 && length(text) <= 256])
    error_message = "The description of a scope takes 1 to 256 characters."
  }
}

variable "partners" {
  description = "Programs that call the API: name of the partner => its scopes. Each becomes a client with a secret of its own."
  type        = map(set(string))
  default     = {}

  validation {
    condition = alltrue([
      for partner in keys(var.partners) : can(regex("^[a-z][a-z0-9-]{1,40}$", partner)) && !contains(["users", "smoke"], partner)
    ])
    error_message = "The name of a partner takes 2 to 41 lower-case letters, digits and dashes; users and smoke are taken."
  }

  validation {
    condition     = alltrue([for scopes in values(var.partners) : length(scopes) > 0 && length(setsubtract(scopes, keys(var.scopes))) == 0])
    error_message = "A partner has at least one scope, and none that is not in scopes."
  }
}

variable "deletion_protection" {
  description = "Keep the pool, and with it every account, from being deleted."
  type        = bool
  default     = true
}
