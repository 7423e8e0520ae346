variable "name" {
  description = "Name of the network, and beginning of the names in it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name must begin with a letter and hold 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "Addresses of the network, a block of /16 to /20."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/(1[6-9]|20)$", var.cidr))
    error_message = "The network must be an IPv4 block of /16 to /20, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Number of availability zones. Aurora needs two."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3, 4, 5, 6], var.zones)
    error_message = "There must be 2 to 6 zones."
  }
}

variable "nat" {
  description = <<-TEXT
    NAT gateways: `none` (no way out but endpoints: calls to Fullbay and the partner are off), `single` (one for all
    zones), `per_zone` (one each, so that the loss of a zone costs no other its way out).
  TEXT
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "single", "per_zone"], var.nat)
    error_message = "NAT must be none, single or per_zone."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached by an endpoint in the network, such as sqs and secretsmanager."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9.-]+$", service))])
    error_message = "Endpoints are named as AWS does after com.amazonaws.<region>., such as sqs."
  }

  validation {
    condition     = !contains(var.interface_endpoints, "s3")
    error_message = "S3 has its gateway endpoint, which costs nothing."
  }
}

variable "endpoint_zones" {
  description = "Number of zones in which each of the interface endpoints stands."
  type        = number
  default     = 1

  validation {
    condition     = var.endpoint_zones >= 1 && var.endpoint_zones <= var.zones
    error_message = "Endpoints stand in at least one zone, and in no more than there are."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the role of the flow logs. Null for no bounds."
  type        = string
  default     = null
}
