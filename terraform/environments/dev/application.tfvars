# For trying things: small, and its schedules are off, as its network has no way to Fullbay and the partner.

function = {
  reserved_concurrency = 10
  log_retention_days   = 14
}

jobs = {
  maximum_concurrency = 2
}

settings = {
  log_level = "debug"
}

schedules = {
  work-orders = {
    job         = "ingest"
    description = "What has changed at Fullbay since the last time"
    arguments   = { source = "work-orders" }
    expression  = "rate(1 day)"
    enabled     = false
  }
  invoices = {
    job         = "ingest"
    description = "The invoices of the last days"
    arguments   = { source = "invoices" }
    expression  = "cron(0 6 * * ? *)"
    enabled     = false
  }
}

export_new_files = false

# Who is told of alarms: alert_emails = ["operators@example.com"]
alert_emails = []
