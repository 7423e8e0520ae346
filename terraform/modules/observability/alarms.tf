# Every alarm: what it says, what to do first, and above which value of what it begins. What else can be done stands in
# docs/operating.md. A metric that is missing is no error where it counts errors; it is one where it is Freshness.
#
# Units are set where they are known for sure: with a wrong one an alarm sees nothing.

locals {
  minute = 60
  hour   = 60 * local.minute

  usual_period = 5 * local.minute

  function = { namespace = "AWS/Lambda", dimensions = { FunctionName = var.function.name } }
  api      = { namespace = "AWS/ApiGateway", dimensions = { ApiId = var.api.id, Stage = var.api.stage } }
  service  = { namespace = "Headgate", dimensions = { Environment = var.environment } }
  # All queries go to the writer.
  writer = {
    namespace  = "AWS/RDS"
    dimensions = { DBClusterIdentifier = var.database.cluster_identifier, Role = "WRITER" }
  }
  queues = {
    for key, name in var.queues : key => { namespace = "AWS/SQS", dimensions = { QueueName = name } }
  }

  # Aurora sets max_connections from the largest capacity: 189 at 1 ACU, a little more for each further one, and no more
  # than 2000 where it may go down to half an ACU or less.
  max_connections = min(189 * var.database.max_capacity, var.database.min_capacity <= 0.5 ? 2000 : 5000)

  alarms = merge(
    local.function_alarms,
    local.api_alarms,
    local.queue_alarms,
    local.service_alarms,
    local.freshness_alarms,
    local.database_alarms,
    local.proxy_alarms,
  )

  function_alarms = {
    function-errors = {
      says    = "An invocation of the function has failed, or has taken longer than it may."
      first   = "read the log of the function for level ERROR and for Task timed out."
      above   = 0
      periods = 1
      metric  = merge(local.function, { name = "Errors", statistic = "Sum", unit = "Count" })
    }

    function-throttles = {
      says    = "Lambda has refused invocations: all of the function's concurrency was in use."
      first   = "see on the dashboard whether requests or jobs take it, and for how long each."
      above   = 0
      periods = 1
      metric  = merge(local.function, { name = "Throttles", statistic = "Sum", unit = "Count" })
    }

    function-duration = {
      says    = "An invocation has taken more than 80 % of its time, or 4 minutes."
      first   = "see in the log which job it was; a backfill that goes on from leg to leg is no error."
      above   = 1000 * min(0.8 * var.function.timeout_seconds, 4 * local.minute)
      periods = 1
      metric  = merge(local.function, { name = "Duration", statistic = "Maximum", unit = "Milliseconds" })
    }
  }

  api_alarms = {
    api-errors = {
      says       = "More than ${var.thresholds.error_percent} % of the answers are 5xx."
      first      = "ask /health, then read the log for status 5xx and its reason."
      above      = var.thresholds.error_percent
      periods    = 3
      datapoints = 2
      expression = "100 * FILL(errors, 0) / requests"
      metrics = {
        errors   = merge(local.api, { name = "5xx", statistic = "Sum", unit = "Count" })
        requests = merge(local.api, { name = "Count", statistic = "Sum", unit = "Count" })
      }
    }

    api-latency = {
      says    = "One answer in twenty takes longer than ${var.thresholds.latency_seconds} s."
      first   = "see on the dashboard whether the database, cold starts or one route are slow."
      above   = 1000 * var.thresholds.latency_seconds
      periods = 3
      metric  = merge(local.api, { name = "Latency", percentile = "p95", unit = "Milliseconds" })
    }
  }

  queue_alarms = {
    dead-letters = {
      says    = "A job was given up after its last attempt."
      first   = "look at the message in ${var.queues.dead_letters}, and at the last reason in the log."
      above   = 0
      periods = 1
      metric = merge(local.queues["dead_letters"], {
        name = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", unit = "Count"
      })
    }

    undelivered = {
      says    = "A schedule, a rule or an invocation without an answer has not got through."
      first   = "look at the message in ${var.queues.undelivered}: its attributes say what was refused, and why."
      above   = 0
      periods = 1
      metric = merge(local.queues["undelivered"], {
        name = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", unit = "Count"
      })
    }

    job-age = {
      says    = "A job has waited longer than ${var.thresholds.job_age_seconds} s."
      first   = "see in the log whether jobs run at all, and whether one fails again and again."
      above   = var.thresholds.job_age_seconds
      periods = 1
      metric = merge(local.queues["jobs"], {
        name = "ApproximateAgeOfOldestMessage", statistic = "Maximum", unit = "Seconds"
      })
    }
  }

  service_alarms = {
    pool-timeouts = {
      says    = "Work ended because the process's database connections were all in use until its deadline."
      first   = "see on the dashboard whether the database is slow or at its largest capacity."
      above   = 0
      periods = 1
      metric  = merge(local.service, { name = "PoolTimeouts", statistic = "Sum", unit = "Count" })
    }

    rejects = {
      says    = "More than ${var.thresholds.rejects} records of a source were put into the reject table within an hour."
      first   = "list them by GET /api/v1/ingestion/rejects, and read the reason of one."
      above   = var.thresholds.rejects
      periods = 1
      metric  = merge(local.service, { name = "RecordsRejected", statistic = "Sum", unit = "Count", period = local.hour })
    }

    export-rejects = {
      says    = "The partner has refused more than ${var.thresholds.rejects} rows within an hour."
      first   = "find the run by GET /api/v1/exports, and read its rejects."
      above   = var.thresholds.rejects
      periods = 1
      metric  = merge(local.service, { name = "ExportRowsRejected", statistic = "Sum", unit = "Count", period = local.hour })
    }

    export-failures = {
      says    = "Exports have failed three times within an hour: they are tried again, and then dead letters."
      first   = "find the run by GET /api/v1/exports: its message says what failed."
      above   = 2
      periods = 1
      metric = merge(local.service, {
        name       = "JobRuns", statistic = "Sum", unit = "Count", period = local.hour
        dimensions = merge(local.service.dimensions, { Job = "export", Outcome = "failed" })
      })
    }
  }

  # A source tells how fresh it is when a run of it ends. So it is looked at over as long as it may get old: one good
  # reading in that time is enough; none, or only bad ones, is too old.
  freshness_alarms = {
    for name, source in var.freshness : "freshness-${name}" => {
      says    = "Source ${source.source} (${source.resource}) was not read completely for ${source.max_age_seconds} s."
      first   = "see by GET /api/v1/ingestion/runs whether runs begin, and how the last one ended."
      above   = source.max_age_seconds
      periods = ceil(source.max_age_seconds / local.hour)
      missing = "breaching"
      metric = merge(local.service, {
        name       = "Freshness", statistic = "Maximum", unit = "Seconds", period = local.hour
        dimensions = merge(local.service.dimensions, { Source = source.source, Resource = source.resource })
      })
    }
  }

  database_alarms = {
    database-capacity = {
      says    = "Aurora uses more than ${var.thresholds.capacity_percent} % of its ${var.database.max_capacity} ACUs."
      first   = "see on the dashboard what grew with it: requests, jobs or connections."
      above   = var.thresholds.capacity_percent
      periods = 3
      metric  = merge(local.writer, { name = "ACUUtilization", statistic = "Average" })
    }

    database-connections = {
      says    = "More than ${var.thresholds.connections_percent} % of the ${local.max_connections} connections that Aurora takes are in use."
      first   = "compare with the function's concurrency: each running instance holds one."
      above   = floor(var.thresholds.connections_percent / 100 * local.max_connections)
      periods = 3
      metric  = merge(local.writer, { name = "DatabaseConnections", statistic = "Maximum", unit = "Count" })
    }
  }

  proxy_alarms = {
    for proxy in var.database.proxy_name[*] : "proxy-connections" => {
      says       = "More than ${var.thresholds.connections_percent} % of the connections that the proxy may open are in use."
      first      = "see whether connections are pinned, or transactions are long."
      above      = var.thresholds.connections_percent
      periods    = 3
      expression = "100 * used / allowed"
      metrics = {
        for id, name in { used = "DatabaseConnections", allowed = "MaxDatabaseConnectionsAllowed" } :
        id => { namespace = "AWS/RDS", dimensions = { ProxyName = proxy }, name = name, statistic = "Sum" }
      }
    }
  }
}
