# Comes and goes, and costs next to nothing while nobody uses it: the database pauses, there is no NAT gateway and no proxy.

github_repository   = "example/headgate"
deletion_protection = false

network = {
  cidr = "10.20.0.0/16"
  nat  = "none"

  # Off without a way out: Fullbay, the partner, and signing in (Cognito lets no pool that has a domain be reached through
  # an endpoint). nat = "single" turns them on.
  interface_endpoints = ["sqs"]
}

database = {
  min_capacity          = 0
  max_capacity          = 2
  instances             = 1
  enable_proxy          = false
  backup_retention_days = 1
  final_snapshot        = false
}

# For whoever tries the API.
partners = {
  developers = [
    "events:read", "events:write",
    "exports:read", "exports:run",
    "ingestion:read", "ingestion:run",
    "items:read", "items:write",
    "platform:read",
  ]
}

lake = {
  result_retention_days = 7
}
