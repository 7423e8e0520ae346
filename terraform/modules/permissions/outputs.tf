output "function_role_arn" {
  description = "Role of the function. It is there when its rights are: Lambda looks at them when it makes the function."
  value       = aws_iam_role.function.arn
  depends_on  = [aws_iam_role_policy.function]
}

output "scheduler_role_arn" {
  description = "Role by which EventBridge Scheduler puts jobs into the queue."
  value       = aws_iam_role.scheduler.arn
  depends_on  = [aws_iam_role_policy.scheduler]
}
