# The one Lambda function: a version of it is one image with one environment, and the alias `live` says which one serves.
# Whoever invokes it by itself (API Gateway, SQS) invokes the alias; migrations invoke the newest version by its number.

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts logs with a key of its own; ours would only add a way to lose them
  # checkov:skip=CKV_AWS_338:how long logs are kept is a choice of each environment, and costs
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_116:what fails goes to the queue of aws_lambda_function_event_invoke_config, with its reason
  # checkov:skip=CKV_AWS_173:no secret stands in the environment; Lambda encrypts it with a key of its own
  # checkov:skip=CKV_AWS_272:code signing is for archives; an image is named by its digest
  function_name                  = var.name
  description                    = "Answers every route, runs every job, migrates the database"
  role                           = var.role_arn
  package_type                   = "Image"
  image_uri                      = var.image_uri
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency == null ? -1 : var.reserved_concurrency
  publish                        = true

  environment {
    variables = var.environment
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  tracing_config {
    mode = "Active"
  }

  vpc_config {
    subnet_ids         = var.network.subnet_ids
    security_group_ids = var.network.security_group_ids
  }

  depends_on = [aws_cloudwatch_log_group.this] # or Lambda makes it at the first invocation, and keeps logs for ever
}

# A job that is not done in one invocation puts its continuation into the queue that invokes the function. To Lambda that
# is a loop, which it ends after 16 rounds unless it is allowed. A continuation is only put where something was done.
resource "aws_lambda_function_recursion_config" "this" {
  function_name  = aws_lambda_function.this.function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that serves"
  function_name    = aws_lambda_function.this.function_name
  function_version = var.live_version == null ? aws_lambda_function.this.version : var.live_version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.provisioned_concurrency > 0 ? 1 : 0

  function_name                     = aws_lambda_function.this.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

resource "aws_lambda_event_source_mapping" "jobs" {
  function_name           = aws_lambda_alias.live.arn
  event_source_arn        = var.jobs.queue_arn
  batch_size              = 1 # messages of a batch would share the time of one invocation
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.jobs.maximum_concurrency
  }
}

resource "aws_lambda_function_event_invoke_config" "live" {
  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.live.name
  maximum_event_age_in_seconds = 3600
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = var.undelivered_queue_arn
    }
  }
}
