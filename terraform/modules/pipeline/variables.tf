variable "name" {
  description = "Name of the installation, such as headgate-dev. What a deployment may make begins with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "The name takes 3 to 41 lower-case letters, digits and dashes."
  }
}

variable "environment" {
  description = "Environment of GitHub whose jobs may apply; those of `<environment>-plan` may plan."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "The environment takes 2 to 12 lower-case letters, digits and dashes."
  }
}

variable "github_repository" {
  description = "Repository whose workflows deploy, as owner/name."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$", var.github_repository))
    error_message = "The repository is one, as owner/name, without a wildcard."
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the account's identity provider for GitHub."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.oidc_provider_arn))
    error_message = "The provider is that of token.actions.githubusercontent.com."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state, that of all environments of the account."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "The bucket is given by its name."
  }
}
