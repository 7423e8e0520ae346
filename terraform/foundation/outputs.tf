output "network" {
  description = "The network: where the function is put, and the addresses that its calls come from."
  value       = module.network
}

output "registry" {
  description = "The registry of images."
  value       = module.registry
}

output "database" {
  description = "The database: where it is, who signs in, and what its metrics are called."
  value       = module.database
}

output "identity" {
  description = "The user pool: whose tokens are accepted, and where programs get theirs."
  value       = module.identity
}

output "lake" {
  description = "The lake: its tables, who queries them, and where results are."
  value       = module.lake
}

output "queues" {
  description = "The queues: of jobs, of dead letters, and of what could not be delivered."
  value       = module.queues
}

output "secrets" {
  description = "The secrets, by name and ARN; their values are people's to put."
  value       = module.secrets
}

output "pipeline" {
  description = "The roles that workflows plan and deploy with, and the boundary of those that a deployment makes."
  value       = module.pipeline
}
