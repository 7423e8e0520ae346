output "url" {
  description = "Where the API is: with the stage, or with the domain and its path. No slash at its end."
  value       = module.api.url
}

output "domain_target" {
  description = "What the domain's record in DNS must lead to, where Route 53 does not have it; null without a domain."
  value       = module.api.domain_target
}

output "api_id" {
  description = "Id of the API."
  value       = module.api.api_id
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}

output "version" {
  description = "The newest version that is published."
  value       = module.function.version
}

output "live_version" {
  description = "The version that serves."
  value       = module.function.live_version
}

output "image_digest" {
  description = "Digest of the newest version's image."
  value       = var.image_digest
}

output "smoke" {
  description = "With what the smoke test asks for a token: Cognito's token endpoint, the client, and the pool that knows its secret."
  value = {
    token_url    = local.foundation.identity.token_url
    client_id    = local.foundation.identity.smoke_client_id
    user_pool_id = local.foundation.identity.user_pool_id
  }
}

output "dashboard_url" {
  description = "The dashboard."
  value       = module.observability.dashboard_url
}

output "alarm_topic_arn" {
  description = "The topic that alarms are sent to."
  value       = module.observability.alarm_topic_arn
}
