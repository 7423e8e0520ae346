mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
}

override_resource {
  target = aws_s3_bucket.data
  values = { id = "headgate-dev-lake-123456789012", arn = "arn:aws:s3:::headgate-dev-lake-123456789012" }
}

override_resource {
  target = aws_s3_bucket.results
  values = {
    id  = "headgate-dev-athena-results-123456789012"
    arn = "arn:aws:s3:::headgate-dev-athena-results-123456789012"
  }
}

variables {
  name = "headgate-dev"
}

run "both_buckets_are_private_encrypted_and_reached_by_tls_only" {
  assert {
    condition = toset([for block in aws_s3_bucket_public_access_block.this : block.bucket]) == toset([aws_s3_bucket.data.id, aws_s3_bucket.results.id]) && alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "Nothing of the lake may ever be public."
  }
  assert {
    condition = alltrue([
      for configuration in aws_s3_bucket_server_side_encryption_configuration.this :
      one(one(configuration.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    ]) && length(aws_s3_bucket_server_side_encryption_configuration.this) == 2
    error_message = "Both buckets must be encrypted."
  }
  assert {
    condition = alltrue([
      for bucket, document in data.aws_iam_policy_document.tls_only :
      document.statement[0].effect == "Deny"
      && document.statement[0].actions == toset(["s3:*"])
      && length(document.statement[0].resources) == 2
      && one(document.statement[0].condition).variable == "aws:SecureTransport"
      && one(document.statement[0].condition).values == tolist(["false"])
    ]) && length(aws_s3_bucket_policy.this) == 2
    error_message = "Requests without TLS must be refused, for the bucket and for what is in it."
  }
  assert {
    condition     = alltrue([for controls in aws_s3_bucket_ownership_controls.this : controls.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "Access must be said by policies alone."
  }
}

run "no_caller_chooses_where_results_go" {
  assert {
    condition     = aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration
    error_message = "The work group's settings must hold, whatever a caller asks for."
  }
  assert {
    condition     = aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://${output.results_bucket}/"
    error_message = "Results must be where the service is told that they are."
  }
  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_S3"
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].expected_bucket_owner == "123456789012"
    )
    error_message = "Results must be encrypted, in a bucket of this account."
  }
  assert {
    condition     = aws_athena_workgroup.this.configuration[0].engine_version[0].selected_engine_version == "Athena engine version 3"
    error_message = "The service writes its queries for version 3 of the engine."
  }
  assert {
    condition     = aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 100 * 1000 * 1000 * 1000
    error_message = "A query must not read without bound."
  }
}

run "results_go_and_tables_stay" {
  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.results.rule[0].expiration[0].days == 7
      && aws_s3_bucket_lifecycle_configuration.results.bucket == output.results_bucket
    )
    error_message = "Results must be kept for a week, and no longer."
  }
  assert {
    condition = (
      aws_s3_bucket_versioning.data.bucket == output.bucket
      && aws_s3_bucket_versioning.data.versioning_configuration[0].status == "Enabled"
      && aws_s3_bucket_lifecycle_configuration.data.rule[0].expiration[0].days == 0
    )
    error_message = "A table must never expire, and what was deleted must be there for a while."
  }
  assert {
    condition     = !aws_s3_bucket.data.force_destroy && !aws_s3_bucket.results.force_destroy && !aws_athena_workgroup.this.force_destroy
    error_message = "Nothing may be deleted with what is in it, unless told so."
  }
}

run "new_files_are_told_to_eventbridge" {
  assert {
    condition     = aws_s3_bucket_notification.data.bucket == output.bucket && aws_s3_bucket_notification.data.eventbridge
    error_message = "Without notifications no new file is ever exported."
  }
}

run "the_database_has_a_name_that_needs_no_quotes" {
  assert {
    condition     = output.database_name == "headgate_dev" && aws_glue_catalog_database.this.location_uri == "s3://${output.bucket}/"
    error_message = "The database must be named with underscores, and have its tables in the bucket."
  }
}

run "an_environment_that_comes_and_goes_takes_its_files_along" {
  variables {
    force_destroy         = true
    result_retention_days = 30
  }

  assert {
    condition     = aws_s3_bucket.data.force_destroy && aws_s3_bucket.results.force_destroy && aws_athena_workgroup.this.force_destroy
    error_message = "Such an environment could not be taken down."
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.results.rule[0].expiration[0].days == 30
    error_message = "Results must be kept as long as was asked for."
  }
}

run "results_are_kept_for_a_day_at_least" {
  command = plan

  variables {
    result_retention_days = 0
  }

  expect_failures = [var.result_retention_days]
}

run "a_bound_that_athena_does_not_take_is_refused" {
  command = plan

  variables {
    max_scanned_gigabytes = 0
  }

  expect_failures = [var.max_scanned_gigabytes]
}

run "a_name_too_long_for_a_bucket_is_refused" {
  command = plan

  variables {
    name = "headgate-an-environment-with-a-long-name"
  }

  expect_failures = [var.name]
}
