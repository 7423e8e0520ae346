variable "name" {
  description = "Name of the repository. Functions whose names begin with it may pull from it."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,39}$", var.name))
    error_message = "The name must begin with a letter and hold 2 to 40 lower-case letters, digits and hyphens."
  }
}

variable "images_kept" {
  description = "Number of tagged images that are kept, the newest."
  type        = number
  default     = 30

  validation {
    condition     = var.images_kept >= 10 && floor(var.images_kept) == var.images_kept
    error_message = "At least 10 images must be kept, or a few failed releases could take the live one."
  }
}

variable "force_delete" {
  description = "Whether the repository may be destroyed together with its images."
  type        = bool
  default     = false
}
