# Laid over terraform/modules/function in the rehearsal's clone: where moto answers otherwise than Lambda.

# It says that an image has a configuration of its own, an empty one, where none was given.
resource "aws_lambda_function" "this" {
  lifecycle {
    ignore_changes = [image_config]
  }
}

# It keeps the version that the alias names at that moment, and forgets the alias.
resource "aws_lambda_event_source_mapping" "jobs" {
  lifecycle {
    ignore_changes = [function_name]
  }
}

# It has no such operations: it ends no loops, and keeps nothing warm.
resource "aws_lambda_function_recursion_config" "this" {
  count = 0
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = 0
}
