output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "alias_name" {
  description = "Name of the alias that serves."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "ARN of the alias that serves."
  value       = aws_lambda_alias.live.arn
}

output "alias_invoke_arn" {
  description = "What API Gateway invokes: the alias that serves."
  value       = aws_lambda_alias.live.invoke_arn
}

output "version" {
  description = "The newest version that is published."
  value       = aws_lambda_function.this.version
}

output "live_version" {
  description = "The version that serves."
  value       = aws_lambda_alias.live.function_version
}

output "log_group_name" {
  description = "The log group that every version writes to."
  value       = aws_cloudwatch_log_group.this.name
}
