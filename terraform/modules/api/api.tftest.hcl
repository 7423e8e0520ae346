mock_provider "aws" {
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3"
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3"
    }
  }

  mock_resource "aws_apigatewayv2_stage" {
    defaults = {
      invoke_url = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/test"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/apigateway/headgate-test"
    }
  }
}

variables {
  name       = "headgate-test"
  stage_name = "test"
  routes = {
    "GET /health"            = { access = "public", throttling_burst_limit = 100, throttling_rate_limit = 50 }
    "GET /goals"             = { access = "user", throttling_burst_limit = 100, throttling_rate_limit = 50 }
    "POST /api/v1/events"    = { access = "events:write", throttling_burst_limit = 1000, throttling_rate_limit = 500 }
    "GET /docs/{name}"       = { access = "public", throttling_burst_limit = 10, throttling_rate_limit = 5 }
    "DELETE /goals/{goalId}" = { access = "user", throttling_burst_limit = 100, throttling_rate_limit = 50 }
  }
  function = {
    name       = "headgate-test"
    alias      = "live"
    invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:headgate-test:live/invocations"
  }
  authorizer = {
    issuer       = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
    audience     = ["users", "partner"]
    scope_prefix = "headgate/"
  }
}

run "there_is_a_route_for_each_entry_of_the_table_and_no_other" {
  command = plan

  assert {
    condition     = toset([for route in aws_apigatewayv2_route.this : route.route_key]) == toset(keys(var.routes))
    error_message = "The routes must be those of the table."
  }

  assert {
    condition     = alltrue([for key, route in aws_apigatewayv2_route.this : (route.authorization_type == "NONE") == (var.routes[key].access == "public")])
    error_message = "Every route that is not public must be closed without a token."
  }
}

run "each_route_asks_for_its_scope_and_leads_to_the_function" {
  command = apply

  assert {
    condition     = aws_apigatewayv2_route.this["POST /api/v1/events"].authorization_scopes == toset(["headgate/events:write"])
    error_message = "A scope must be spelled as it is in the token."
  }

  assert {
    condition     = aws_apigatewayv2_route.this["GET /goals"].authorization_scopes == toset(["aws.cognito.signin.user.admin"])
    error_message = "A user's route must be closed to partners' tokens."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.target == "integrations/${aws_apigatewayv2_integration.function.id}"])
    error_message = "Every route must lead to the function."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorizer_id == aws_apigatewayv2_authorizer.tokens.id if route.authorization_type == "JWT"])
    error_message = "Every closed route must be closed by the authorizer."
  }

  assert {
    condition     = aws_apigatewayv2_integration.function.integration_uri == var.function.invoke_arn && aws_apigatewayv2_integration.function.payload_format_version == "2.0" && aws_apigatewayv2_integration.function.timeout_milliseconds == 30000
    error_message = "The integration must be the alias, with payload 2.0 and all the time that there is."
  }

  assert {
    condition     = aws_apigatewayv2_authorizer.tokens.jwt_configuration[0].audience == toset(["users", "partner"]) && aws_apigatewayv2_authorizer.tokens.jwt_configuration[0].issuer == var.authorizer.issuer
    error_message = "The authorizer must know the issuer and every client."
  }
}

run "each_route_has_its_throttle" {
  command = plan

  assert {
    condition = {
      for settings in aws_apigatewayv2_stage.this.route_settings : settings.route_key => [settings.throttling_burst_limit, settings.throttling_rate_limit]
      } == {
      for key, route in var.routes : key => [route.throttling_burst_limit, route.throttling_rate_limit]
    }
    error_message = "The throttles must be those of the table."
  }
}

run "only_this_api_may_invoke_only_the_alias" {
  command = apply

  assert {
    condition     = aws_lambda_permission.api.source_arn == "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/test/*" && aws_lambda_permission.api.qualifier == "live"
    error_message = "Another API, or another stage, must not invoke the function."
  }
}

run "the_log_of_requests_has_what_happened_and_nothing_of_who" {
  command = plan

  assert {
    condition     = length(setsubtract(["requestId", "routeKey", "status", "latency", "integrationError"], keys(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)))) == 0
    error_message = "A request must be found by its id, its route and its status."
  }

  assert {
    condition     = !can(regex("(?i)sourceIp|claims|header|\\$context\\.path", aws_apigatewayv2_stage.this.access_log_settings[0].format))
    error_message = "No token, no path and no address belongs into the log."
  }
}

run "without_origins_no_page_may_call" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "Preflights must be refused unless an origin is named."
  }

  assert {
    condition     = !aws_apigatewayv2_api.this.disable_execute_api_endpoint && length(aws_apigatewayv2_domain_name.this) == 0 && length(aws_apigatewayv2_api_mapping.this) == 0 && length(aws_route53_record.this) == 0
    error_message = "Without a domain the API is at API Gateway's."
  }
}

run "the_url_has_the_stage" {
  command = apply

  assert {
    condition     = output.url == "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/test"
    error_message = "The URL must be the one that can be called."
  }
}

run "named_origins_may_call_with_the_methods_that_there_are" {
  command = plan

  variables {
    cors_origins = ["https://app.example.com"]
  }

  assert {
    condition     = aws_apigatewayv2_api.this.cors_configuration[0].allow_origins == toset(["https://app.example.com"]) && aws_apigatewayv2_api.this.cors_configuration[0].allow_methods == toset(["DELETE", "GET", "POST"])
    error_message = "Preflights must be answered for the origin, with the methods of the table."
  }

  assert {
    condition     = coalesce(aws_apigatewayv2_api.this.cors_configuration[0].allow_credentials, false) == false
    error_message = "Cookies are not a part of this API."
  }
}

run "a_domain_of_one_s_own_is_the_only_way_in" {
  command = apply

  variables {
    domain = {
      name            = "api.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      base_path       = "headgate"
      zone_id         = "Z0123456789"
    }
  }

  assert {
    condition     = output.url == "https://api.example.com/headgate" && aws_apigatewayv2_api.this.disable_execute_api_endpoint
    error_message = "The API must be at its domain, and nowhere else."
  }

  assert {
    condition     = aws_apigatewayv2_api_mapping.this[0].api_mapping_key == "headgate" && aws_apigatewayv2_api_mapping.this[0].stage == "test" && aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].security_policy == "TLS_1_2"
    error_message = "The path of the domain must lead to the stage, over TLS 1.2 or newer."
  }

  assert {
    condition     = aws_route53_record.this[0].name == "api.example.com" && aws_route53_record.this[0].zone_id == "Z0123456789"
    error_message = "The zone must lead to the domain."
  }
}

run "a_domain_without_a_path_and_a_zone_has_neither" {
  command = apply

  variables {
    domain = {
      name            = "api.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition     = output.url == "https://api.example.com" && length(aws_route53_record.this) == 0
    error_message = "The API must be at the root of its domain, and the record is somebody else's."
  }
}

run "a_key_that_is_no_route_is_refused" {
  command = plan

  variables {
    routes = { "GET health" = { access = "public", throttling_burst_limit = 100, throttling_rate_limit = 50 } }
  }

  expect_failures = [var.routes]
}

run "an_access_that_nobody_has_is_refused" {
  command = plan

  variables {
    routes = { "GET /health" = { access = "Public", throttling_burst_limit = 100, throttling_rate_limit = 50 } }
  }

  expect_failures = [var.routes]
}

run "a_throttle_that_closes_a_route_is_refused" {
  command = plan

  variables {
    routes = { "GET /health" = { access = "public", throttling_burst_limit = 100, throttling_rate_limit = 0 } }
  }

  expect_failures = [var.routes]
}

run "no_routes_are_refused" {
  command = plan

  variables {
    routes = {}
  }

  expect_failures = [var.routes]
}

run "any_origin_is_refused" {
  command = plan

  variables {
    cors_origins = ["*"]
  }

  expect_failures = [var.cors_origins]
}

run "an_authorizer_of_nobody_is_refused" {
  command = plan

  variables {
    stage_name = "a/b"
    authorizer = { issuer = "https://issuer.example.com", audience = [] }
  }

  expect_failures = [var.authorizer, var.stage_name]
}

run "an_issuer_without_tls_is_refused" {
  command = plan

  variables {
    authorizer = { issuer = "http://issuer.example.com", audience = ["users"] }
  }

  expect_failures = [var.authorizer]
}

run "a_domain_that_is_none_is_refused" {
  command = plan

  variables {
    domain = { name = "https://api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1" }
  }

  expect_failures = [var.domain]
}

run "a_certificate_that_is_none_is_refused" {
  command = plan

  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:iam::123456789012:server-certificate/1" }
  }

  expect_failures = [var.domain]
}

run "a_base_path_with_slashes_around_it_is_refused" {
  command = plan

  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1", base_path = "/headgate" }
  }

  expect_failures = [var.domain]
}
