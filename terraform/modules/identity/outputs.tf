output "user_pool_id" {
  description = "Id of the user pool."
  value       = aws_cognito_user_pool.this.id
}

output "user_pool_arn" {
  description = "ARN of the user pool."
  value       = aws_cognito_user_pool.this.arn
}

output "issuer" {
  description = "Claim iss of every token of the pool."
  value       = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "user_client_id" {
  description = "Client that signs people in."
  value       = aws_cognito_user_pool_client.users.id
}

output "partner_client_ids" {
  description = "Clients of the partners: name of the partner => id."
  value       = { for partner in keys(var.partners) : partner => aws_cognito_user_pool_client.programs[partner].id }
}

output "smoke_client_id" {
  description = "Client of the smoke test; it may have tokens for platform:read and for items:read."
  value       = aws_cognito_user_pool_client.programs["smoke"].id
}

output "client_ids" {
  description = "All clients: the audience of the API's tokens."
  value       = concat([aws_cognito_user_pool_client.users.id], values(aws_cognito_user_pool_client.programs)[*].id)
}

output "token_url" {
  description = "Where programs get tokens, by the flow client_credentials."
  value       = "https://${aws_cognito_user_pool_domain.this.domain}.auth.${data.aws_region.current.name}.amazoncognito.com/oauth2/token"
}

output "scope_prefix" {
  description = "What stands before the scopes of routes in tokens."
  value       = "${aws_cognito_resource_server.this.identifier}/"
}
