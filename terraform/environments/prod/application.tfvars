# What people and partners rely on. Jobs take at most 10 of the 100 invocations at once.

function = {
  memory_mb               = 1769 # one whole processor
  ephemeral_storage_mb    = 1024
  reserved_concurrency    = 100
  provisioned_concurrency = 2
  log_retention_days      = 90
}

jobs = {
  maximum_concurrency = 10
}

settings = {
  event_validation = "strict"
  max_records      = 1000000
  export_tables = {
    prod_customers_silver = { key = ["customer_id"], date = "processed_date" }
  }
}

schedules = {
  work-orders = {
    job               = "ingest"
    description       = "What has changed at Fullbay since the last time"
    arguments         = { source = "work-orders" }
    expression        = "rate(1 hour)"
    freshness_seconds = 10800
  }
  invoices = {
    job               = "ingest"
    description       = "The invoices of the last days"
    arguments         = { source = "invoices" }
    expression        = "cron(0 6 * * ? *)"
    timezone          = "America/Denver"
    freshness_seconds = 172800
  }
  customers = {
    job         = "export"
    description = "Yesterday's customers to the partner"
    arguments   = { table = "prod_customers_silver", date_filter = "yesterday" }
    expression  = "cron(0 9 * * ? *)"
  }
}

export_new_files = true

# Who is told of alarms: alert_emails = ["operators@example.com"]
alert_emails = []
