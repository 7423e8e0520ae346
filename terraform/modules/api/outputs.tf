output "api_id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "stage_name" {
  description = "Name of the stage."
  value       = aws_apigatewayv2_stage.this.name
}

output "execution_arn" {
  description = "What the ARNs of the API's requests begin with."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "url" {
  description = "Where the API is, without a slash at its end."
  value       = local.url
}

output "domain_target" {
  description = "What the domain's record in DNS must lead to, where Route 53 does not have it; null without a domain."
  value       = var.domain == null ? null : aws_apigatewayv2_domain_name.this[0].domain_name_configuration[0].target_domain_name
}
