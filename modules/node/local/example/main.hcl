environment "example-node-local" {}

module "network" {
  source = "../../../network/local"
  name   = "example"
}

node_set "pair" {
  pool "local" {
    source  = ".."
    size    = 2
    domains = ["a", "b"]
    inputs  = { network = module.network.id }
  }
}

output "addresses" {
  value = { for node in node_set.pair.nodes : node.name => node.address }
}
