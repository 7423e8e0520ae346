output "jobs" {
  description = "URL, ARN and name of the queue of jobs, and for how long it hides a job that was taken."
  value = {
    url                        = aws_sqs_queue.jobs.url
    arn                        = aws_sqs_queue.jobs.arn
    name                       = aws_sqs_queue.jobs.name
    visibility_timeout_seconds = aws_sqs_queue.jobs.visibility_timeout_seconds
  }
}

output "dead_letters" {
  description = "URL, ARN and name of the queue of jobs that were given up."
  value = {
    url  = aws_sqs_queue.dead_letters.url
    arn  = aws_sqs_queue.dead_letters.arn
    name = aws_sqs_queue.dead_letters.name
  }
}

output "undelivered" {
  description = "URL, ARN and name of the queue of what schedules, rules and invocations could not deliver."
  value = {
    url  = aws_sqs_queue.undelivered.url
    arn  = aws_sqs_queue.undelivered.arn
    name = aws_sqs_queue.undelivered.name
  }
}
