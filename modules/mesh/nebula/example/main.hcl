environment "example-mesh-nebula" {}

module "network" {
  source = "../../../network/local"
  name   = "example"
}

module "mesh" {
  source      = ".."
  name        = "example"
  node_sets   = [node_set.trio.nodes]
  lighthouses = [node_set.trio.nodes[0].name]
}

node_set "trio" {
  pool "local" {
    source  = "../../../node/local"
    size    = 3
    domains = ["a", "b", "c"]
    inputs  = { network = module.network.id }
  }
  services = [module.mesh.service]
}

output "mesh_addresses" {
  value = module.mesh.addresses
}
