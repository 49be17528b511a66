environment "example-network-local" {}

module "network" {
  source = ".."
  name   = "example"
  cidr   = "10.89.0.0/24"
}

output "network" {
  value = module.network.id
}
