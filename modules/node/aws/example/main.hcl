environment "example-node-aws" {}

# Write the id of one image where nodes must not be made anew when Debian publishes the next.
data "aws_ami" "debian" {
  owners      = ["136693071363"]
  most_recent = true

  filter {
    name   = "name"
    values = ["debian-12-amd64*"]
  }
}

provider "aws" {
  region = "eu-central-1"
}

resource "aws_vpc" "main" {
  cidr_block = "10.20.0.0/16"
}

resource "aws_subnet" "zone" {
  for_each          = { "eu-central-1a" = "10.20.0.0/24", "eu-central-1b" = "10.20.1.0/24" }
  vpc_id            = aws_vpc.main.id
  availability_zone = each.key
  cidr_block        = each.value
}

resource "aws_security_group" "nodes" {
  name        = "nodes"
  description = "Nodes of the example"
  vpc_id      = aws_vpc.main.id
}

# One for all nodes of the pool, so that they are launched together.
resource "tls_private_key" "pair" {
  algorithm = "ED25519"
}

node_set "pair" {
  pool "aws" {
    source  = ".."
    size    = 4
    domains = ["eu-central-1a", "eu-central-1b"]
    inputs = {
      image    = data.aws_ami.debian.id
      host_key = tls_private_key.pair
      network = {
        subnets           = { for zone, subnet in aws_subnet.zone : zone => subnet.id }
        security_group_id = aws_security_group.nodes.id
      }
    }
  }
}

output "addresses" {
  value = { for node in node_set.pair.nodes : node.name => node.address }
}
