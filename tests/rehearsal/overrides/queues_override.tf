# Laid over terraform/modules/queues in the rehearsal's clone: where moto answers otherwise than SQS.

# It gives the policy of redrive back with other white space, which Terraform takes for a change.
resource "aws_sqs_queue" "jobs" {
  lifecycle {
    ignore_changes = [redrive_policy]
  }
}
