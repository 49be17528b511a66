# A network on AWS: a VPC with a public and a private subnet in each zone, and a security group for nodes.

variable "name" {
  type        = string
  description = "Name of the network, which everything in it carries as its tag `Name`."
}

variable "cidr" {
  type        = string
  default     = "10.20.0.0/16"
  description = "Addresses of the network, from /16 to /24; each subnet gets a sixteenth of them."
}

variable "zones" {
  type        = list(string)
  description = "Availability zones, such as eu-central-1a. More can be added at the end; an earlier one keeps its addresses."
  validation {
    condition     = length(var.zones) >= 1 && length(var.zones) <= 8
    error_message = "There must be 1 to 8 zones."
  }
  validation {
    condition     = length(distinct(var.zones)) == length(var.zones)
    error_message = "A zone is named twice."
  }
}

variable "nat" {
  type        = string
  default     = "none"
  description = "How private subnets reach the internet: `none`, through `one` NAT gateway, or `zone` for one in each zone."
  validation {
    condition     = contains(["none", "one", "zone"], var.nat)
    error_message = "It must be `none`, `one` or `zone`."
  }
}

variable "nodes" {
  type        = string
  default     = "public"
  description = "Which subnets the output `id` gives to nodes: `public` or `private`."
  validation {
    condition     = contains(["public", "private"], var.nodes)
    error_message = "It must be `public` or `private`."
  }
}

variable "ssh_from" {
  type        = set(string)
  default     = []
  description = "Ranges of IPv4 addresses from which nodes are reached by SSH: those of whoever runs this program."
}

variable "ingress" {
  type = map(object({
    protocol  = string
    from_port = number
    to_port   = number
    cidr      = string
  }))
  default     = {}
  description = "What else may reach nodes from outside of the network, by a name for each rule."
}

variable "tags" {
  type        = map(string)
  default     = {}
  description = "Tags of everything made here."
}

locals {
  index     = { for index, zone in var.zones : zone => index }
  nat_zones = var.nat == "none" ? [] : var.nat == "one" ? [var.zones[0]] : var.zones
  tags      = merge(var.tags, { Name = var.name })
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  tags                 = local.tags
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = local.tags
}

resource "aws_subnet" "public" {
  for_each                = local.index
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.cidr, 4, each.value)
  map_public_ip_on_launch = true
  tags                    = merge(var.tags, { Name = "${var.name}-public-${each.key}" })
}

resource "aws_subnet" "private" {
  for_each          = local.index
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, 8 + each.value)
  tags              = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-public" })
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_zones)
  domain   = "vpc"
  tags     = merge(var.tags, { Name = "${var.name}-nat-${each.key}" })
}

resource "aws_nat_gateway" "this" {
  for_each      = toset(local.nat_zones)
  subnet_id     = aws_subnet.public[each.key].id
  allocation_id = aws_eip.nat[each.key].id
  tags          = merge(var.tags, { Name = "${var.name}-${each.key}" })
  depends_on    = [aws_route.public]
}

resource "aws_route_table" "private" {
  for_each = local.index
  vpc_id   = aws_vpc.this.id
  tags     = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route" "private" {
  for_each               = var.nat == "none" ? {} : local.index
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "one" ? var.zones[0] : each.key].id
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}

resource "aws_security_group" "nodes" {
  name        = "${var.name}-nodes"
  description = "Nodes of ${var.name}"
  vpc_id      = aws_vpc.this.id
  tags        = merge(var.tags, { Name = "${var.name}-nodes" })
}

resource "aws_vpc_security_group_ingress_rule" "nodes" {
  security_group_id            = aws_security_group.nodes.id
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "-1"
  tags                         = merge(var.tags, { Name = "nodes" })
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each          = var.ssh_from
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  description       = "SSH"
  tags              = merge(var.tags, { Name = "ssh" })
}

resource "aws_vpc_security_group_ingress_rule" "open" {
  for_each          = var.ingress
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = each.value.protocol
  from_port         = each.value.from_port
  to_port           = each.value.to_port
  description       = each.key
  tags              = merge(var.tags, { Name = each.key })
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = merge(var.tags, { Name = "all" })
}

locals {
  public  = { for zone, subnet in aws_subnet.public : zone => subnet.id }
  private = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "id" {
  value = {
    subnets           = var.nodes == "public" ? local.public : local.private
    security_group_id = aws_security_group.nodes.id
  }
  description = "What a node's module needs to attach a machine."
}

output "cidr" {
  value       = var.cidr
  description = "Addresses of the network."
}

output "vpc_id" {
  value       = aws_vpc.this.id
  description = "Id of the VPC."
}

output "security_group_id" {
  value       = aws_security_group.nodes.id
  description = "Id of the security group of nodes."
}

output "public_subnets" {
  value       = local.public
  description = "Ids of the public subnets, by zone."
}

output "private_subnets" {
  value       = local.private
  description = "Ids of the private subnets, by zone."
}

output "nat_addresses" {
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
  description = "Addresses that private subnets speak with, by the zone of the NAT gateway."
}
