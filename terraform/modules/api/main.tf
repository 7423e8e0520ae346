# The HTTP API: a route for each entry of the generated table, all of them to the one function. What the table does not
# name is answered 404 here and never reaches the function.

locals {
  # A signed-in user's token has the scope that Cognito gives to all of them; other tokens have those that were granted.
  scopes = {
    for key, route in var.routes : key => (
      route.access == "public" ? [] : [route.access == "user" ? var.authorizer.user_scope : "${var.authorizer.scope_prefix}${route.access}"]
    )
  }
  methods = distinct([for key in keys(var.routes) : split(" ", key)[0]])
  url     = var.domain == null ? aws_apigatewayv2_stage.this.invoke_url : join("/", compact(["https://${var.domain.name}", var.domain.base_path]))
}

resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = var.domain != null # a domain of one's own is the only way in

  dynamic "cors_configuration" {
    for_each = length(var.cors_origins) > 0 ? [var.cors_origins] : []

    content {
      allow_origins  = cors_configuration.value
      allow_methods  = local.methods
      allow_headers  = ["authorization", "content-type", "if-match", "x-request-id"] # of service/cors.py, as the rest
      expose_headers = ["etag", "link", "retry-after", "x-request-id"]
      max_age        = 600
    }
  }
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = var.function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_authorizer" "tokens" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "tokens"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.authorizer.issuer
    audience = var.authorizer.audience
  }
}

resource "aws_apigatewayv2_route" "this" {
  # checkov:skip=CKV_AWS_309:routes without an authorizer are those that the table calls public; a test lists them
  for_each = var.routes

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.key
  target               = "integrations/${aws_apigatewayv2_integration.function.id}"
  authorization_type   = each.value.access == "public" ? "NONE" : "JWT"
  authorizer_id        = each.value.access == "public" ? null : aws_apigatewayv2_authorizer.tokens.id
  authorization_scopes = local.scopes[each.key]
}

resource "aws_cloudwatch_log_group" "requests" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts logs with a key of its own; ours would only add a way to lose them
  # checkov:skip=CKV_AWS_338:how long logs are kept is a choice of each environment, and costs
  name              = "/aws/vendedlogs/apigateway/${var.name}" # for such names AWS keeps no policy that could grow too long
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = var.stage_name
  auto_deploy = true

  # No token, no path with somebody's id in it, no address. The log of the function has the same request id.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.requests.arn
    format = jsonencode({
      requestId          = "$context.requestId"
      requestTime        = "$context.requestTime"
      routeKey           = "$context.routeKey"
      status             = "$context.status"
      latency            = "$context.responseLatency"
      responseLength     = "$context.responseLength"
      integrationStatus  = "$context.integrationStatus"
      integrationLatency = "$context.integrationLatency"
      integrationError   = "$context.integrationErrorMessage"
      authorizerError    = "$context.authorizer.error"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = false # each route would be billed as metrics; the service measures by route itself
    throttling_burst_limit   = 100
    throttling_rate_limit    = 50
  }

  dynamic "route_settings" {
    for_each = var.routes

    content {
      route_key              = route_settings.key
      throttling_burst_limit = route_settings.value.throttling_burst_limit
      throttling_rate_limit  = route_settings.value.throttling_rate_limit
    }
  }

  depends_on = [aws_apigatewayv2_route.this] # settings of a route that is not there yet are refused
}

resource "aws_lambda_permission" "api" {
  statement_id  = "InvokeByApi"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/${aws_apigatewayv2_stage.this.name}/*"
}

resource "aws_apigatewayv2_domain_name" "this" {
  count = var.domain == null ? 0 : 1

  domain_name = var.domain.name

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  count = var.domain == null ? 0 : 1

  api_id          = aws_apigatewayv2_api.this.id
  domain_name     = aws_apigatewayv2_domain_name.this[0].domain_name
  stage           = aws_apigatewayv2_stage.this.name
  api_mapping_key = var.domain.base_path
}

resource "aws_route53_record" "this" {
  count = try(var.domain.zone_id, null) == null ? 0 : 1

  zone_id = var.domain.zone_id
  name    = var.domain.name
  type    = "A"

  alias {
    name                   = aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
