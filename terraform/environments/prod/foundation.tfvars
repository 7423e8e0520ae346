# Survives the loss of a zone, and nothing of it is deleted by mistake.

github_repository   = "example/headgate"
deletion_protection = true

network = {
  cidr = "10.30.0.0/16"
  nat  = "per_zone"
}

database = {
  min_capacity          = 0.5
  max_capacity          = 8
  instances             = 2
  enable_proxy          = true
  backup_retention_days = 14
}

# Each partner has a client of its own: partners = { acme = ["events:write"] }
partners = {}

lake = {
  result_retention_days = 30
}
