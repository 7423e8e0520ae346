output "plan_role_arn" {
  description = "Role that workflows plan with."
  value       = aws_iam_role.this["plan"].arn
}

output "apply_role_arn" {
  description = "Role that workflows deploy with."
  value       = aws_iam_role.this["apply"].arn
}

output "permissions_boundary_arn" {
  description = "What each role of the installation has to be bounded by: the apply role makes no other."
  value       = aws_iam_policy.boundary.arn
}
