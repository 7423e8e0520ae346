# Laid over terraform/modules/database in the rehearsal's clone: where moto answers otherwise than RDS and EC2.

# It says that the Data API is off, and cannot be told again that it is to be on; and that the cluster is scaled as those
# of the first kind of Aurora Serverless are.
resource "aws_rds_cluster" "this" {
  lifecycle {
    ignore_changes = [enable_http_endpoint, scaling_configuration]
  }
}

# It names no certificate when an instance is made, so Terraform would change it and restart the instance, which takes two
# minutes. It knows nothing of Performance Insights.
resource "aws_rds_cluster_instance" "this" {
  ca_cert_identifier = null

  lifecycle {
    ignore_changes = [performance_insights_enabled, performance_insights_retention_period]
  }
}

# It forgets the description of a rule that names a group.
resource "aws_vpc_security_group_ingress_rule" "database" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "function" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_ingress_rule" "proxy" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "proxy" {
  lifecycle {
    ignore_changes = [description]
  }
}
