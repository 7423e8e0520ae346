output "endpoint" {
  description = "Host to connect to: the proxy where there is one, else the writer of the cluster."
  value       = var.enable_proxy ? aws_db_proxy.this[0].endpoint : aws_rds_cluster.this.endpoint
}

output "port" {
  description = "Port to connect to."
  value       = local.port
}

output "name" {
  description = "Name of the database."
  value       = local.database_name
}

output "app_user" {
  description = "User of the service, who reads and writes."
  value       = local.app_user
}

output "migration_user" {
  description = "User of migrations, who owns the tables."
  value       = local.migration_user
}

output "connect_resource_id" {
  description = "Id that rds-db:connect names: prx-… of the proxy where there is one, else cluster-…."
  value       = var.enable_proxy ? split(":", aws_db_proxy.this[0].arn)[6] : aws_rds_cluster.this.cluster_resource_id
}

output "cluster_identifier" {
  description = "Identifier of the cluster, the dimension of its metrics."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "cluster_arn" {
  description = "ARN of the cluster, for the Data API."
  value       = aws_rds_cluster.this.arn
}

output "master_secret_arn" {
  description = "ARN of the secret with the password of the master user, which RDS makes and rotates."
  value       = one(aws_rds_cluster.this.master_user_secret).secret_arn
}

output "user_secret_arns" {
  description = "ARNs of the secrets by which the proxy signs in, by user. Empty without a proxy."
  value       = { for user, secret in aws_secretsmanager_secret.user : user => secret.arn }
}

output "proxy_name" {
  description = "Name of the proxy, the dimension of its metrics. Null without one."
  value       = one(aws_db_proxy.this[*].name)
}

output "min_capacity" {
  description = "The least capacity in ACUs."
  value       = var.min_capacity
}

output "max_capacity" {
  description = "The most capacity in ACUs, to which the alarm of its use is set."
  value       = var.max_capacity
}

output "deadline_seconds" {
  description = "By when the service answers a request: its DEADLINE_SECONDS."
  value       = var.deadline_seconds
}
