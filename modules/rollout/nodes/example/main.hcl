environment "example-rollout-nodes" {}

module "network" {
  source = "../../../network/local"
  name   = "example"
}

module "mesh" {
  source      = "../../../mesh/nebula"
  name        = "example"
  node_sets   = [node_set.edge.nodes, node_set.watch.nodes]
  lighthouses = [node_set.edge.nodes[0].name]
}

module "monitoring" {
  source    = "../../../monitoring"
  node_sets = [node_set.edge.nodes, node_set.watch.nodes]
}

module "rollout" {
  source         = ".."
  prometheus_url = "http://127.0.0.1:19090"
  node_set       = "edge"
}

node_set "edge" {
  pool "local" {
    source  = "../../../node/local"
    size    = 4
    domains = ["a", "b"]
    inputs  = { network = module.network.id }
  }
  services = [module.mesh.service, module.monitoring.node_exporter]
  rollout  = module.rollout.standard
}

node_set "watch" {
  pool "local" {
    source  = "../../../node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id, publish = { "9090" = 19090 } }
  }
  services = [module.mesh.service, module.monitoring.node_exporter, module.monitoring.prometheus]
}
