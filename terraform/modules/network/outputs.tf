output "vpc_id" {
  description = "Id of the network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, one a zone, in the order of the zones."
  value       = [for zone in keys(local.zones) : aws_subnet.private[zone].id]
}

output "function_security_group_id" {
  description = "Id of the security group that the function is put in."
  value       = aws_security_group.function.id
}

output "nat_addresses" {
  description = "Public addresses that calls come from, one for each NAT gateway."
  value       = [for zone in keys(local.nat_zones) : aws_eip.nat[zone].public_ip]
}
