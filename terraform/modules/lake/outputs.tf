output "workgroup" {
  description = "Work group of Athena whose queries exports run."
  value       = aws_athena_workgroup.this.name
}

output "workgroup_arn" {
  description = "ARN of the work group."
  value       = aws_athena_workgroup.this.arn
}

output "database_name" {
  description = "Database of Glue that describes the tables."
  value       = aws_glue_catalog_database.this.name
}

output "bucket" {
  description = "Bucket of the tables."
  value       = aws_s3_bucket.data.id
}

output "bucket_arn" {
  description = "ARN of the bucket of the tables."
  value       = aws_s3_bucket.data.arn
}

output "results_bucket" {
  description = "Bucket of the results of queries."
  value       = aws_s3_bucket.results.id
}

output "results_bucket_arn" {
  description = "ARN of the bucket of the results."
  value       = aws_s3_bucket.results.arn
}
