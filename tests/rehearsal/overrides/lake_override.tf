# Laid over terraform/modules/lake in the rehearsal's clone: where moto answers otherwise than S3.

# It does not say that EventBridge is told of new files.
resource "aws_s3_bucket_notification" "data" {
  lifecycle {
    ignore_changes = [eventbridge]
  }
}
