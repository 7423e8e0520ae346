# Who may call: people, who sign in through the service's own routes, and programs, each with a client of its own.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  # One token that platform:read admits and one that it does not: the smoke test asks for either.
  smoke_scopes = toset(["platform:read", "items:read"])

  programs = merge(var.partners, { smoke = local.smoke_scopes })
}

resource "aws_cognito_user_pool" "this" {
  name                     = var.name
  deletion_protection      = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  mfa_configuration        = "OFF" # the service has no second step of signing in

  username_configuration {
    case_sensitive = false
  }

  schema {
    name                = "email"
    attribute_data_type = "String"
    required            = true
    mutable             = true # or an address could never be changed

    string_attribute_constraints {
      min_length = 3
      max_length = 254
    }
  }

  # As the service's own rules are, which are stricter about common ones.
  password_policy {
    minimum_length                   = 8
    require_lowercase                = true
    require_uppercase                = true
    require_numbers                  = true
    require_symbols                  = true
    temporary_password_validity_days = 1
  }

  # The access token lets its user change their attributes in Cognito itself: nobody gets an address that is not theirs.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  # By a link, because the service has no route that takes a code.
  verification_message_template {
    default_email_option  = "CONFIRM_WITH_LINK"
    email_subject_by_link = "Confirm your address for Headgate"
    email_message_by_link = "Please {##confirm this address##}. If you did not register, do nothing."
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  admin_create_user_config {
    allow_admin_create_user_only = false
  }
}

# Serves the token endpoint and the page behind the link. Its prefix is taken once in a region, by whichever account.
resource "aws_cognito_user_pool_domain" "this" {
  domain       = "${var.name}-${data.aws_caller_identity.current.account_id}"
  user_pool_id = aws_cognito_user_pool.this.id
}

resource "aws_cognito_resource_server" "this" {
  identifier   = "headgate"
  name         = "Headgate"
  user_pool_id = aws_cognito_user_pool.this.id

  dynamic "scope" {
    for_each = var.scopes

    content {
      scope_name        = scope.key
      scope_description = scope.value
    }
  }
}

# Signs people in, on behalf of POST /auth/login. Without a secret, which would have to be kept in the function's
# environment.
resource "aws_cognito_user_pool_client" "users" {
  name                          = "users"
  user_pool_id                  = aws_cognito_user_pool.this.id
  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
  enable_token_revocation       = true # or signing out would leave the pool's refresh token good
  prevent_user_existence_errors = "ENABLED"
  write_attributes              = ["email", "given_name", "family_name"] # those that POST /auth/register fills
  access_token_validity         = 60
  id_token_validity             = 60
  refresh_token_validity        = 30 # days that the service's own families of refresh tokens last

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}

# Programs: partners, and the smoke test. Secrets are read from Cognito by those who may; they are in no output.
resource "aws_cognito_user_pool_client" "programs" {
  for_each = local.programs

  name                                 = each.key
  user_pool_id                         = aws_cognito_user_pool.this.id
  generate_secret                      = true
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_scopes                 = [for scope in each.value : "${aws_cognito_resource_server.this.identifier}/${scope}"]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"] # left out, people could sign in with this client
  enable_token_revocation              = true
  prevent_user_existence_errors        = "ENABLED"
  access_token_validity                = 60

  token_validity_units {
    access_token = "minutes"
  }
}
