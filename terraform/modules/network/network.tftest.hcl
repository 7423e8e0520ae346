mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-west-1c", "eu-west-1a", "eu-west-1b"] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\": \"2012-10-17\", \"Statement\": []}" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vpc/headgate-dev" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/headgate-dev-flow-logs" }
  }
}

variables {
  name = "headgate-dev"
  cidr = "10.20.0.0/16"
}

run "an_idle_network_has_nothing_that_costs_by_the_hour" {
  command = plan

  assert {
    condition = (
      length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_vpc_endpoint.interface) == 0
    )
    error_message = "Without NAT and endpoints nothing may be billed by the hour."
  }
  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_subnet.public) == 0
    error_message = "Without NAT nothing may be public."
  }
  assert {
    condition     = output.nat_addresses == []
    error_message = "Without NAT there is no address to tell Fullbay."
  }
}

run "each_zone_has_a_private_subnet_with_its_own_routes" {
  command = plan

  assert {
    condition = { for zone, subnet in aws_subnet.private : zone => subnet.cidr_block } == {
      eu-west-1a = "10.20.0.0/20"
      eu-west-1b = "10.20.16.0/20"
    }
    error_message = "The first two zones must have a sixteenth of the network each."
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch != true])
    error_message = "Private subnets must give no public addresses."
  }
  assert {
    condition     = keys(aws_route_table_association.private) == ["eu-west-1a", "eu-west-1b"]
    error_message = "Each zone must have its route table."
  }
}

run "without_nat_only_https_to_aws_goes_out" {
  command = plan

  variables {
    interface_endpoints = ["sqs"]
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.internet) == 0
    error_message = "Without NAT there is no way to the internet to allow."
  }
  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_egress_rule.s3, aws_vpc_security_group_egress_rule.endpoints[0]] :
      rule.ip_protocol == "tcp" && rule.from_port == 443 && rule.to_port == 443 && rule.cidr_ipv4 == null
    ])
    error_message = "The function may go to S3 and the endpoints only, by HTTPS."
  }
}

run "the_function_is_called_by_nobody_in_the_network" {
  command = apply

  variables {
    interface_endpoints = ["sqs"]
  }

  override_resource {
    target = aws_security_group.function
    values = { id = "sg-function" }
  }
  override_resource {
    target = aws_security_group.endpoints
    values = { id = "sg-endpoints" }
  }

  assert {
    condition = alltrue([
      for group in [aws_default_security_group.this, aws_security_group.function, aws_security_group.endpoints[0]] :
      length(group.ingress) == 0 && length(group.egress) == 0
    ])
    error_message = "No security group may have rules but those that are named."
  }
  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.endpoints[0].security_group_id == "sg-endpoints"
      && aws_vpc_security_group_ingress_rule.endpoints[0].referenced_security_group_id == "sg-function"
    )
    error_message = "Only the endpoints let anybody in: the function."
  }
  assert {
    condition = (
      aws_vpc_security_group_egress_rule.endpoints[0].security_group_id == "sg-function"
      && aws_vpc_security_group_egress_rule.endpoints[0].referenced_security_group_id == "sg-endpoints"
    )
    error_message = "The function must be let out to the endpoints."
  }
}

run "by_the_endpoint_of_s3_nothing_leaves_and_nothing_foreign_is_read" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "The endpoint of S3 must be the one that costs nothing."
  }
  assert {
    condition = (
      one(data.aws_iam_policy_document.s3.statement).actions == toset(["s3:GetObject"])
      && one(data.aws_iam_policy_document.s3.statement).resources == toset(["arn:aws:s3:::headgate-dev-*/*"])
      && alltrue([
        for condition in one(data.aws_iam_policy_document.s3.statement).condition :
        tolist(condition.values) == tolist(["123456789012"])
      ])
      && toset([for condition in one(data.aws_iam_policy_document.s3.statement).condition : condition.variable])
      == toset(["aws:PrincipalAccount", "aws:ResourceAccount"])
    )
    error_message = "The endpoint may be used to read this environment's objects, and for nothing else."
  }
  assert {
    condition     = aws_vpc_endpoint.s3.policy == data.aws_iam_policy_document.s3.json
    error_message = "The endpoint must have that policy."
  }
}

run "a_single_nat_gateway_serves_every_zone" {
  command = apply

  variables {
    zones = 3
    nat   = "single"
  }

  override_resource {
    target = aws_eip.nat
    values = { public_ip = "203.0.113.7" }
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["eu-west-1a"]
    error_message = "There must be one NAT gateway."
  }
  assert {
    condition = length(aws_route.to_nat) == 3 && alltrue([
      for route in aws_route.to_nat : route.nat_gateway_id == aws_nat_gateway.this["eu-west-1a"].id
    ])
    error_message = "Every zone must go out by it."
  }
  assert {
    condition     = output.nat_addresses == ["203.0.113.7"]
    error_message = "Its address must be told."
  }
  assert {
    condition = (
      aws_vpc_security_group_egress_rule.internet[0].cidr_ipv4 == "0.0.0.0/0"
      && aws_vpc_security_group_egress_rule.internet[0].from_port == 443
      && aws_vpc_security_group_egress_rule.internet[0].to_port == 443
      && aws_vpc_security_group_egress_rule.internet[0].ip_protocol == "tcp"
    )
    error_message = "With NAT the function goes out by HTTPS, and by nothing else."
  }
}

run "with_a_nat_gateway_a_zone_no_zone_depends_on_another" {
  command = apply

  variables {
    zones = 3
    nat   = "per_zone"
  }

  assert {
    condition = alltrue([
      for zone in ["eu-west-1a", "eu-west-1b", "eu-west-1c"] :
      aws_route.to_nat[zone].nat_gateway_id == aws_nat_gateway.this[zone].id
      && aws_nat_gateway.this[zone].subnet_id == aws_subnet.public[zone].id
      && aws_subnet.public[zone].availability_zone == zone
    ])
    error_message = "Each zone must go out by its own NAT gateway."
  }
  assert {
    condition     = length(output.nat_addresses) == 3
    error_message = "All three addresses must be told."
  }
}

run "endpoints_stand_in_as_many_zones_as_are_paid_for" {
  command = apply

  variables {
    interface_endpoints = ["sqs", "secretsmanager"]
    endpoint_zones      = 2
  }

  assert {
    condition = {
      for endpoint in aws_vpc_endpoint.interface : endpoint.service_name => length(endpoint.subnet_ids)
      } == {
      "com.amazonaws.eu-west-1.sqs"            = 2
      "com.amazonaws.eu-west-1.secretsmanager" = 2
    }
    error_message = "Both services must have an endpoint in both zones."
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "Endpoints must answer to the services' own names."
  }
}

run "refused_connections_are_logged_for_two_weeks" {
  command = plan

  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "REJECT"
    error_message = "Refused connections must be logged, and no others."
  }
  assert {
    condition     = aws_cloudwatch_log_group.flow_logs.retention_in_days == 14
    error_message = "The log must not be kept for ever."
  }
  assert {
    condition     = aws_iam_role.flow_logs.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The pipeline may make no role without the boundary."
  }
}

run "impossible_networks_are_refused" {
  command = plan

  variables {
    name  = "Headgate_dev"
    cidr  = "10.20.0.0/24"
    zones = 1
    nat   = "both"
  }

  expect_failures = [var.name, var.cidr, var.zones, var.nat]
}

run "a_second_endpoint_of_s3_is_refused" {
  command = plan

  variables {
    interface_endpoints = ["s3"]
  }

  expect_failures = [var.interface_endpoints]
}

run "an_endpoint_by_its_full_address_is_refused" {
  command = plan

  variables {
    interface_endpoints = ["https://sqs"]
  }

  expect_failures = [var.interface_endpoints]
}

run "endpoints_in_more_zones_than_there_are_are_refused" {
  command = plan

  variables {
    endpoint_zones = 3
  }

  expect_failures = [var.endpoint_zones]
}
