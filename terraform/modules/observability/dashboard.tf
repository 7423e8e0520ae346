# One page: which alarms are on, then what requests, jobs, the sources and the database do. Three graphs a row.

locals {
  lambda_metric = ["FunctionName", var.function.name]
  api_metric    = ["ApiId", var.api.id, "Stage", var.api.stage]
  own_metric    = ["Environment", var.environment]
  writer_metric = ["DBClusterIdentifier", var.database.cluster_identifier, "Role", "WRITER"]

  graphs = [
    {
      title   = "Answers"
      stat    = "Sum"
      limit   = null
      metrics = [for name in ["Count", "4xx", "5xx"] : concat(["AWS/ApiGateway", name], local.api_metric)]
    },
    {
      title = "Time of an answer (ms)"
      stat  = "p95"
      limit = 1000 * var.thresholds.latency_seconds
      metrics = [
        for name in ["Latency", "IntegrationLatency"] : concat(["AWS/ApiGateway", name], local.api_metric)
      ]
    },
    {
      title   = "Invocations"
      stat    = "Sum"
      limit   = null
      metrics = [for name in ["Invocations", "Errors", "Throttles"] : concat(["AWS/Lambda", name], local.lambda_metric)]
    },
    {
      title   = "Concurrent invocations"
      stat    = "Maximum"
      limit   = null
      metrics = [concat(["AWS/Lambda", "ConcurrentExecutions"], local.lambda_metric)]
    },
    {
      title   = "Longest invocation (ms)"
      stat    = "Maximum"
      limit   = local.alarms["function-duration"].above
      metrics = [concat(["AWS/Lambda", "Duration"], local.lambda_metric)]
    },
    {
      title   = "Cold starts, and waits for a connection that were in vain"
      stat    = "Sum"
      limit   = null
      metrics = [for name in ["ColdStarts", "PoolTimeouts"] : concat(["Headgate", name], local.own_metric)]
    },
    {
      title = "Messages that wait"
      stat  = "Maximum"
      limit = null
      metrics = [
        for queue in [var.queues.jobs, var.queues.dead_letters, var.queues.undelivered] :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]
      ]
    },
    {
      title   = "Age of the oldest job (s)"
      stat    = "Maximum"
      limit   = var.thresholds.job_age_seconds
      metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queues.jobs]]
    },
    {
      title   = "Freshness (s)"
      stat    = "Maximum"
      limit   = null
      metrics = [concat(["Headgate", "Freshness"], local.own_metric)]
    },
    {
      title = "Records read"
      stat  = "Sum"
      limit = null
      metrics = [
        for name in ["RecordsInserted", "RecordsUpdated", "RecordsRejected"] : concat(["Headgate", name], local.own_metric)
      ]
    },
    {
      title = "Rows sent"
      stat  = "Sum"
      limit = null
      metrics = [
        for name in ["ExportRowsSent", "ExportRowsRejected"] : concat(["Headgate", name], local.own_metric)
      ]
    },
    {
      title   = "Time of an answer of the partner (s)"
      stat    = "p95"
      limit   = null
      metrics = [concat(["Headgate", "PartnerLatency"], local.own_metric)]
    },
    {
      title   = "Capacity of the database (ACU)"
      stat    = "Maximum"
      limit   = var.database.max_capacity
      metrics = [concat(["AWS/RDS", "ServerlessDatabaseCapacity"], local.writer_metric)]
    },
    {
      title   = "Connections of the database"
      stat    = "Maximum"
      limit   = local.max_connections
      metrics = [concat(["AWS/RDS", "DatabaseConnections"], local.writer_metric)]
    },
    {
      title   = "Waits for a connection of the process (s)"
      stat    = "p95"
      limit   = null
      metrics = [concat(["Headgate", "PoolWait"], local.own_metric)]
    },
  ]

  alarm_widget = {
    type   = "alarm"
    x      = 0
    y      = 0
    width  = 24
    height = 4
    properties = {
      title  = "Alarms (what to do: docs/operating.md#alarms)"
      alarms = [for key in sort(keys(local.alarms)) : aws_cloudwatch_metric_alarm.this[key].arn]
    }
  }

  graph_widgets = [
    for index, graph in local.graphs : {
      type   = "metric"
      x      = 8 * (index % 3)
      y      = 4 + 6 * floor(index / 3)
      width  = 8
      height = 6
      properties = {
        title       = graph.title
        region      = local.region
        view        = "timeSeries"
        stat        = graph.stat
        period      = local.usual_period
        metrics     = graph.metrics
        annotations = { horizontal = [for value in graph.limit[*] : { label = "limit", value = value }] }
      }
    }
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat([local.alarm_widget], local.graph_widgets) })
}
