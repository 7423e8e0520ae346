# What exports read: a bucket of tables, Glue's database that describes them, and the work group whose queries leave
# their results in a bucket of their own.

data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id

  buckets = {
    data    = aws_s3_bucket.data
    results = aws_s3_bucket.results
  }
}

resource "aws_s3_bucket" "data" {
  # checkov:skip=CKV_AWS_18:each call is in CloudTrail where its data events are on; a log of accesses is one more bucket
  # checkov:skip=CKV_AWS_144:tables are made anew from their sources; a second region would double their cost
  # checkov:skip=CKV_AWS_145:S3's own key encrypts it; a key of ours would cost each reader a right and a call more
  bucket        = "${var.name}-lake-${local.account}" # names of buckets are taken once, by whichever account
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket" "results" {
  # checkov:skip=CKV_AWS_18:each call is in CloudTrail where its data events are on; a log of accesses is one more bucket
  # checkov:skip=CKV_AWS_21:a result is written once, and gone after some days
  # checkov:skip=CKV_AWS_144:a result that is lost is a query away
  # checkov:skip=CKV_AWS_145:S3's own key encrypts it; a key of ours would cost each reader a right and a call more
  # checkov:skip=CKV2_AWS_62:nobody waits for these objects, Athena says when they are there
  bucket        = "${var.name}-athena-results-${local.account}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = each.value.id
  policy = data.aws_iam_policy_document.tls_only[each.key].json

  # Both change the bucket's access, which S3 refuses to do twice at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  # Every action, by whoever: a refusal must leave nothing out.
  statement {
    sid       = "OnlyOverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    id     = "what-was-replaced-or-deleted"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  # S3 takes a rule about versions from a bucket that has them.
  depends_on = [aws_s3_bucket_versioning.data]
}

resource "aws_s3_bucket_lifecycle_configuration" "results" {
  bucket = aws_s3_bucket.results.id

  rule {
    id     = "results"
    status = "Enabled"

    filter {}

    expiration {
      days = var.result_retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

# New files ask for an export of their table.
resource "aws_s3_bucket_notification" "data" {
  bucket      = aws_s3_bucket.data.id
  eventbridge = true
}

resource "aws_glue_catalog_database" "this" {
  name         = replace(var.name, "-", "_")
  description  = "Tables that ${var.name} may export"
  location_uri = "s3://${aws_s3_bucket.data.id}/"
}

resource "aws_athena_workgroup" "this" {
  name          = var.name
  description   = "Queries of exports"
  force_destroy = var.force_destroy # or its history would keep it

  configuration {
    # The service names the same bucket with each query; no caller gets results anywhere else, or unencrypted.
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = floor(var.max_scanned_gigabytes * 1000 * 1000 * 1000)

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${aws_s3_bucket.results.id}/"
      expected_bucket_owner = local.account

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}
