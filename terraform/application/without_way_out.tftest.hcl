# A foundation without NAT and without a proxy, as that of an environment that costs next to nothing.

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
        nat_addresses              = []
      }
      registry = {
        repository_url  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/headgate-test"
        repository_arn  = "arn:aws:ecr:eu-west-1:123456789012:repository/headgate-test"
        repository_name = "headgate-test"
      }
      database = {
        endpoint            = "headgate-test.cluster-c1.eu-west-1.rds.amazonaws.com"
        port                = 5432
        name                = "headgate"
        app_user            = "headgate"
        migration_user      = "headgate_migrate"
        connect_resource_id = "cluster-ABCDEFGHIJ"
        cluster_identifier  = "headgate-test"
        min_capacity        = 0
        max_capacity        = 4
        deadline_seconds    = 4.5
        proxy_name          = null
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
  routes = {
    "GET /health" = { access = "public", throttling_burst_limit = 100, throttling_rate_limit = 50 }
  }
}

run "what_calls_out_is_refused" {
  command = plan

  variables {
    export_new_files = true
    schedules = {
      work-orders = { job = "ingest", arguments = { source = "work-orders" }, expression = "rate(1 hour)" }
    }
  }

  expect_failures = [var.schedules, var.export_new_files]
}

run "what_would_call_out_may_wait_for_a_way" {
  command = plan

  variables {
    schedules = {
      work-orders = { job = "ingest", arguments = { source = "work-orders" }, expression = "rate(1 hour)", enabled = false }
    }
  }

  assert {
    condition     = keys(module.schedules.messages) == ["work-orders"] && !contains(keys(local.environment), "FULLBAY_SERVER_IP")
    error_message = "A schedule that is off must be there, and there is no address to call from."
  }
}
