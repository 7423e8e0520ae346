output "group_arn" {
  description = "ARN of the group of schedules."
  value       = aws_scheduler_schedule_group.this.arn
}

output "messages" {
  description = "What each schedule puts into the queue, by its name."
  value       = { for name, schedule in aws_scheduler_schedule.this : name => schedule.target[0].input }
}

output "rule_arn" {
  description = "ARN of the rule about new files; null where they begin nothing."
  value       = one(aws_cloudwatch_event_rule.new_files[*].arn)
}
