mock_provider "aws" {}

variables {
  name        = "headgate-dev"
  environment = "dev"
}

run "the_names_are_those_that_the_service_asks_for" {
  command = plan

  assert {
    condition     = output.shared.name == "headgate-dev"
    error_message = "SECRETS_MANAGER_SECRET_NAME is headgate-<environment>."
  }
  assert {
    condition     = output.partner.name == "dev/api/credentials"
    error_message = "API_SECRET_NAME is <environment>/api/credentials."
  }
}

run "a_deleted_secret_can_be_restored_for_a_month" {
  command = plan

  assert {
    condition = alltrue([
      for secret in [aws_secretsmanager_secret.shared, aws_secretsmanager_secret.partner] :
      secret.recovery_window_in_days == 30
    ])
    error_message = "Nobody else keeps these values."
  }
}

run "an_environment_that_comes_and_goes_frees_its_names_at_once" {
  command = plan

  variables {
    recovery_window_days = 0
  }

  assert {
    condition = alltrue([
      for secret in [aws_secretsmanager_secret.shared, aws_secretsmanager_secret.partner] :
      secret.recovery_window_in_days == 0
    ])
    error_message = "A name that waits for its recovery window makes the next apply fail."
  }
}

run "an_impossible_recovery_window_is_refused" {
  command = plan

  variables {
    recovery_window_days = 3
  }

  expect_failures = [var.recovery_window_days]
}

run "a_name_that_is_none_is_refused" {
  command = plan

  variables {
    name        = "Headgate_dev"
    environment = "Development!"
  }

  expect_failures = [var.name, var.environment]
}
