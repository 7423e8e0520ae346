mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = {
      json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
    }
  }

  mock_data "aws_region" {
    defaults = {
      name = "eu-west-1"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/headgate-test-function"
    }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn     = "arn:aws:lambda:eu-west-1:123456789012:function:headgate-test"
      version = "7"
    }
  }

  mock_resource "aws_lambda_alias" {
    defaults = {
      arn        = "arn:aws:lambda:eu-west-1:123456789012:function:headgate-test:live"
      invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:headgate-test:live/invocations"
    }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:eu-west-1:123456789012:log-group:test"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:sns:eu-west-1:123456789012:headgate-test-alarms"
    }
  }
}

override_data {
  target = data.terraform_remote_state.foundation
  values = {
    outputs = {
      network = {
        vpc_id                     = "vpc-1"
        private_subnet_ids         = ["subnet-1", "subnet-2"]
        function_security_group_id = "sg-1"
        nat_addresses              = ["203.0.113.7"]
      }
      registry = {
        repository_url  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/headgate-test"
        repository_arn  = "arn:aws:ecr:eu-west-1:123456789012:repository/headgate-test"
        repository_name = "headgate-test"
      }
      database = {
        endpoint            = "headgate-test.proxy-c1.eu-west-1.rds.amazonaws.com"
        port                = 5432
        name                = "headgate"
        app_user            = "headgate"
        migration_user      = "headgate_migrate"
        connect_resource_id = "prx-0123456789abcdef0"
        cluster_identifier  = "headgate-test"
        min_capacity        = 0.5
        max_capacity        = 4
        deadline_seconds    = 4.5
        proxy_name          = "headgate-test"
      }
      identity = {
        user_pool_id       = "eu-west-1_AbCdEfGhI"
        user_client_id     = "users"
        issuer             = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
        partner_client_ids = { acme = "partner" }
        smoke_client_id    = "smoke"
        client_ids         = ["users", "partner", "smoke"]
        token_url          = "https://headgate-test.auth.eu-west-1.amazoncognito.com/oauth2/token"
        scope_prefix       = "headgate/"
      }
      lake = {
        workgroup          = "headgate-test"
        workgroup_arn      = "arn:aws:athena:eu-west-1:123456789012:workgroup/headgate-test"
        database_name      = "headgate_test"
        bucket             = "headgate-test-lake"
        bucket_arn         = "arn:aws:s3:::headgate-test-lake"
        results_bucket     = "headgate-test-results"
        results_bucket_arn = "arn:aws:s3:::headgate-test-results"
      }
      queues = {
        jobs = {
          url                        = "https://sqs.eu-west-1.amazonaws.com/123456789012/headgate-test-jobs"
          arn                        = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-jobs"
          name                       = "headgate-test-jobs"
          visibility_timeout_seconds = 1800
        }
        dead_letters = {
          url  = "https://sqs.eu-west-1.amazonaws.com/123456789012/headgate-test-dead-letters"
          arn  = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-dead-letters"
          name = "headgate-test-dead-letters"
        }
        undelivered = {
          url  = "https://sqs.eu-west-1.amazonaws.com/123456789012/headgate-test-undelivered"
          arn  = "arn:aws:sqs:eu-west-1:123456789012:headgate-test-undelivered"
          name = "headgate-test-undelivered"
        }
      }
      secrets = {
        shared  = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:headgate-test-a1b2c3", name = "headgate-test" }
        partner = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:test/api/credentials-a1b2c3", name = "test/api/credentials" }
      }
      pipeline = {
        permissions_boundary_arn = "arn:aws:iam::123456789012:policy/headgate-test-boundary"
      }
    }
  }
}

variables {
  environment  = "test"
  region       = "eu-west-1"
  state_bucket = "state"
  image_digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
  function     = { reserved_concurrency = 10 }
  routes = {
    "GET /health"         = { access = "public", throttling_burst_limit = 100, throttling_rate_limit = 50 }
    "POST /api/v1/events" = { access = "events:write", throttling_burst_limit = 1000, throttling_rate_limit = 500 }
  }
}

run "the_function_is_told_what_the_foundation_made" {
  command = plan

  assert {
    condition = local.environment == {
      ENVIRONMENT                 = "test"
      AURORA_ENDPOINT             = "headgate-test.proxy-c1.eu-west-1.rds.amazonaws.com"
      DB_PORT                     = "5432"
      DATABASE_NAME               = "headgate"
      DATABASE_USER               = "headgate"
      DATABASE_MIGRATION_USER     = "headgate_migrate"
      DATABASE_IAM_AUTH           = "true"
      DEADLINE_SECONDS            = "4.5"
      COGNITO_USER_POOL_ID        = "eu-west-1_AbCdEfGhI"
      COGNITO_CLIENT_ID           = "users"
      TOKEN_AUDIENCE              = "partner,smoke"
      TOKEN_SCOPE_PREFIX          = "headgate/"
      SECRETS_MANAGER_SECRET_NAME = "headgate-test"
      API_SECRET_NAME             = "test/api/credentials" # checkov:skip=CKV_SECRET_6:the name of a secret, not its content
      ATHENA_WORKGROUP            = "headgate-test"
      ATHENA_DATABASE             = "headgate_test"
      ATHENA_OUTPUT_BUCKET        = "headgate-test-results"
      JOBS_QUEUE_URL              = "https://sqs.eu-west-1.amazonaws.com/123456789012/headgate-test-jobs"
      FULLBAY_SERVER_IP           = "203.0.113.7"
    }
    error_message = "Each variable must come from where it is made, and what nobody decided must not be set."
  }
}

run "settings_of_the_environment_are_variables_of_the_function" {
  command = plan

  variables {
    cors_origins = ["https://app.example.com", "https://admin.example.com"]
    domain = {
      name            = "api.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
      base_path       = "headgate"
    }
    settings = {
      batch_size          = 500
      log_level           = "debug"
      fullbay_ip_services = ["https://ip.example.com", "https://ip.example.org"]
      export_tables       = { test_customers_silver = { key = ["customer_id"] } }
    }
  }

  assert {
    condition = {
      for name in ["BATCH_SIZE", "LOG_LEVEL", "FULLBAY_IP_SERVICES", "EXPORT_TABLES", "CORS_ORIGINS", "BASE_PATH"] : name => local.environment[name]
      } == {
      BATCH_SIZE          = "500"
      LOG_LEVEL           = "debug"
      FULLBAY_IP_SERVICES = "https://ip.example.com https://ip.example.org"
      EXPORT_TABLES       = "{\"test_customers_silver\":{\"key\":[\"customer_id\"]}}"
      CORS_ORIGINS        = "https://app.example.com,https://admin.example.com"
      BASE_PATH           = "/headgate"
    }
    error_message = "Each setting must be the variable of its name, as the service reads it."
  }

  assert {
    condition     = output.url == "https://api.example.com/headgate"
    error_message = "The API must be at its domain."
  }
}

run "jobs_begin_by_themselves_and_their_silence_is_an_alarm" {
  command = plan

  variables {
    export_new_files = true
    schedules = {
      work-orders = {
        job               = "ingest"
        arguments         = { source = "work-orders" }
        expression        = "rate(1 hour)"
        freshness_seconds = 10800
      }
      customers = {
        job        = "export"
        arguments  = { table = "test_customers_silver", date_filter = "yesterday" }
        expression = "cron(0 9 * * ? *)"
      }
    }
  }

  assert {
    condition     = keys(module.schedules.messages) == ["customers", "work-orders"] && jsondecode(module.schedules.messages["work-orders"]).source == "work-orders"
    error_message = "Each schedule must put its job into the queue."
  }

  assert {
    condition     = contains(keys(module.observability.alarm_names), "freshness-work-orders") && !contains(keys(module.observability.alarm_names), "freshness-customers")
    error_message = "A schedule that reads must be missed when it does not."
  }
}

run "a_schedule_that_is_off_is_not_missed" {
  command = plan

  variables {
    schedules = {
      work-orders = {
        job               = "ingest"
        arguments         = { source = "work-orders" }
        expression        = "rate(1 hour)"
        enabled           = false
        freshness_seconds = 10800
      }
    }
  }

  assert {
    condition     = !contains(keys(module.observability.alarm_names), "freshness-work-orders")
    error_message = "Nothing is read, on purpose."
  }
}

run "the_old_version_serves_until_it_is_told_otherwise" {
  command = apply

  variables {
    live_version = "6"
  }

  assert {
    condition     = output.version == "7" && output.live_version == "6" && output.image_digest == var.image_digest
    error_message = "A new image must be published, and not serve yet."
  }

  assert {
    condition     = output.smoke == { token_url = "https://headgate-test.auth.eu-west-1.amazoncognito.com/oauth2/token", client_id = "smoke", user_pool_id = "eu-west-1_AbCdEfGhI" }
    error_message = "The smoke test must find its token."
  }
}

run "names_that_are_none_are_refused" {
  command = plan

  variables {
    environment  = "Production"
    region       = "europe"
    image_digest = "latest"
    live_version = "live"
  }

  expect_failures = [var.environment, var.region, var.image_digest, var.live_version]
}

run "a_time_that_outlasts_the_hiding_of_a_job_is_refused" {
  command = plan

  variables {
    function = { reserved_concurrency = 10, timeout_seconds = 301 }
  }

  expect_failures = [var.function]
}

run "freshness_of_what_reads_nothing_is_refused" {
  command = plan

  variables {
    schedules = {
      customers = { job = "export", arguments = { table = "test_customers_silver" }, expression = "rate(1 day)", freshness_seconds = 10800 }
    }
  }

  expect_failures = [var.schedules]
}

run "a_number_that_the_service_would_refuse_is_refused" {
  command = plan

  variables {
    settings = { batch_size = 10001 }
  }

  expect_failures = [var.settings]
}

run "a_url_without_tls_is_refused" {
  command = plan

  variables {
    settings = { fullbay_ip_services = ["https://ip.example.com", "http://ip.example.org"] }
  }

  expect_failures = [var.settings]
}

run "a_validation_that_is_none_is_refused" {
  command = plan

  variables {
    settings = { event_validation = "lax" }
  }

  expect_failures = [var.settings]
}

run "a_level_that_is_none_is_refused" {
  command = plan

  variables {
    settings = { log_level = "verbose" }
  }

  expect_failures = [var.settings]
}

run "a_version_that_is_a_path_is_refused" {
  command = plan

  variables {
    settings = { fullbay_api_version = "v1/work-orders" }
  }

  expect_failures = [var.settings]
}

run "a_table_that_cannot_be_is_refused" {
  command = plan

  variables {
    settings = { export_tables = { "Customers" = {} } }
  }

  expect_failures = [var.settings]
}
