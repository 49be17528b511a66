environment "example-network-aws" {}

provider "aws" {
  region = "eu-central-1"
}

module "network" {
  source   = ".."
  name     = "example"
  zones    = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat      = "one"
  ssh_from = ["203.0.113.0/24"]
  ingress  = { mesh = { protocol = "udp", from_port = 4242, to_port = 4242, cidr = "0.0.0.0/0" } }
}

output "network" {
  value = module.network.id
}
