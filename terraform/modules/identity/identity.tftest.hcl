mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_cognito_user_pool" {
    defaults = {
      id       = "eu-west-1_AbCdEfGhI"
      endpoint = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
    }
  }
}

variables {
  name = "headgate-dev"
  scopes = {
    "events:read"   = "Read events"
    "events:write"  = "Write events"
    "items:read"    = "Read items"
    "platform:read" = "Read platform"
  }
  partners = { acme = ["events:read", "events:write"] }
}

run "people_sign_in_by_an_address_in_any_case_that_they_have_confirmed" {
  command = plan

  assert {
    condition = (
      aws_cognito_user_pool.this.username_attributes == toset(["email"])
      && aws_cognito_user_pool.this.username_configuration[0].case_sensitive == false
      && aws_cognito_user_pool.this.auto_verified_attributes == toset(["email"])
      && aws_cognito_user_pool.this.mfa_configuration == "OFF"
    )
    error_message = "The user name must be a confirmed address in any case, and signing in one step."
  }
  assert {
    condition     = aws_cognito_user_pool.this.verification_message_template[0].default_email_option == "CONFIRM_WITH_LINK"
    error_message = "The service has no route that takes a code: an address must be confirmed by a link."
  }
  assert {
    condition     = aws_cognito_user_pool.this.user_attribute_update_settings[0].attributes_require_verification_before_update == toset(["email"])
    error_message = "Nobody may take on an address before it is verified."
  }
  assert {
    condition     = one([for field in aws_cognito_user_pool.this.schema : field if field.name == "email"]).required
    error_message = "An account without an address cannot use the service."
  }
}

run "the_password_policy_is_that_of_the_service" {
  command = plan

  assert {
    condition = aws_cognito_user_pool.this.password_policy[0].minimum_length == 8 && alltrue([
      aws_cognito_user_pool.this.password_policy[0].require_lowercase,
      aws_cognito_user_pool.this.password_policy[0].require_uppercase,
      aws_cognito_user_pool.this.password_policy[0].require_numbers,
      aws_cognito_user_pool.this.password_policy[0].require_symbols,
    ])
    error_message = "The pool must take the passwords that the service documents, and no weaker ones."
  }
}

run "people_get_tokens_for_an_hour_and_for_thirty_days_without_a_secret" {
  command = plan

  assert {
    condition     = aws_cognito_user_pool_client.users.explicit_auth_flows == toset(["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
    error_message = "The client of people must have the two flows that the service uses, and no other."
  }
  assert {
    condition     = aws_cognito_user_pool_client.users.generate_secret == false
    error_message = "The client of people must have no secret: the function is given none."
  }
  assert {
    condition = (
      aws_cognito_user_pool_client.users.access_token_validity == 60
      && aws_cognito_user_pool_client.users.refresh_token_validity == 30
      && one(aws_cognito_user_pool_client.users.token_validity_units).access_token == "minutes"
      && one(aws_cognito_user_pool_client.users.token_validity_units).refresh_token == "days"
      && aws_cognito_user_pool_client.users.enable_token_revocation
    )
    error_message = "Access tokens must last an hour, refresh tokens 30 days, and signing out must end them."
  }
  assert {
    condition     = aws_cognito_user_pool_client.users.write_attributes == toset(["email", "given_name", "family_name"])
    error_message = "A registration must be able to fill its three attributes, and a user no others."
  }
}

run "each_program_has_a_client_of_its_own_and_its_scopes_only" {
  command = plan

  assert {
    condition = { for name, client in aws_cognito_user_pool_client.programs : name => client.allowed_oauth_scopes } == {
      acme  = toset(["headgate/events:read", "headgate/events:write"])
      smoke = toset(["headgate/items:read", "headgate/platform:read"])
    }
    error_message = "Each program must be allowed its scopes and no other."
  }
  assert {
    condition = alltrue([
      for client in aws_cognito_user_pool_client.programs :
      client.generate_secret && client.allowed_oauth_flows == toset(["client_credentials"]) && client.allowed_oauth_flows_user_pool_client
    ])
    error_message = "Programs must get tokens by client_credentials, with a secret."
  }
  assert {
    condition     = alltrue([for client in aws_cognito_user_pool_client.programs : client.explicit_auth_flows == toset(["ALLOW_REFRESH_TOKEN_AUTH"])])
    error_message = "Nobody may sign in with the client of a program."
  }
  assert {
    condition     = toset(aws_cognito_resource_server.this.scope[*].scope_name) == toset(keys(var.scopes))
    error_message = "The resource server must know each scope of the routes."
  }
}

run "what_others_need_to_know_is_told" {
  assert {
    condition     = output.issuer == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
    error_message = "The issuer must be the one in the pool's tokens."
  }
  assert {
    condition     = output.token_url == "https://headgate-dev-123456789012.auth.eu-west-1.amazoncognito.com/oauth2/token"
    error_message = "The token endpoint must be that of the pool's domain."
  }
  assert {
    condition     = output.scope_prefix == "headgate/"
    error_message = "The prefix must be the identifier of the resource server, and a slash."
  }
  assert {
    condition = (
      toset(output.client_ids) == toset([output.user_client_id, output.smoke_client_id, output.partner_client_ids["acme"]])
      && length(output.client_ids) == 3
    )
    error_message = "The audience must be the clients of people, of the smoke test and of each partner."
  }
}

run "the_pool_is_protected_unless_told_otherwise" {
  command = plan

  assert {
    condition     = aws_cognito_user_pool.this.deletion_protection == "ACTIVE"
    error_message = "Accounts must not be deleted by mistake."
  }
}

run "the_pool_of_an_environment_that_comes_and_goes_is_not_protected" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = aws_cognito_user_pool.this.deletion_protection == "INACTIVE"
    error_message = "Such an environment could not be taken down."
  }
}

run "a_partner_cannot_have_a_scope_that_no_route_knows" {
  command = plan

  variables {
    partners = { acme = ["events:delete"] }
  }

  expect_failures = [var.partners]
}

run "a_partner_without_scopes_is_refused" {
  command = plan

  variables {
    partners = { acme = [] }
  }

  expect_failures = [var.partners]
}

run "no_partner_takes_the_name_of_the_smoke_test" {
  command = plan

  variables {
    partners = { smoke = ["events:read"] }
  }

  expect_failures = [var.partners]
}

run "the_scopes_of_the_smoke_test_must_exist" {
  command = plan

  variables {
    scopes   = { "events:read" = "Read events" }
    partners = {}
  }

  expect_failures = [var.scopes]
}

run "a_scope_is_a_noun_and_a_verb" {
  command = plan

  variables {
    scopes   = { "platform:read" = "Read platform", "items:read" = "Read items", "everything" = "All" }
    partners = {}
  }

  expect_failures = [var.scopes]
}

run "a_scope_says_what_it_is" {
  command = plan

  variables {
    scopes   = { "platform:read" = "", "items:read" = "Read items" }
    partners = {}
  }

  expect_failures = [var.scopes]
}

run "a_name_that_cognito_refuses_is_refused_before" {
  command = plan

  variables {
    name = "headgate-aws"
  }

  expect_failures = [var.name]
}
