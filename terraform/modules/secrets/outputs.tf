output "shared" {
  description = "ARN and name of the secret that holds Fullbay's keys."
  value = {
    arn  = aws_secretsmanager_secret.shared.arn
    name = aws_secretsmanager_secret.shared.name
  }
}

output "partner" {
  description = "ARN and name of the secret that holds the partner's credentials."
  value = {
    arn  = aws_secretsmanager_secret.partner.arn
    name = aws_secretsmanager_secret.partner.name
  }
}
