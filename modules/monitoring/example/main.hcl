environment "example-monitoring" {}

module "network" {
  source = "../../network/local"
  name   = "example"
}

module "monitoring" {
  source       = ".."
  node_sets    = [node_set.edge.nodes, node_set.watch.nodes]
  jobs         = { itself = { nodes = node_set.watch.nodes, port = 9090, path = "/metrics" } }
  alertmanager = true
}

node_set "edge" {
  pool "local" {
    source  = "../../node/local"
    size    = 2
    domains = ["a", "b"]
    inputs  = { network = module.network.id }
  }
  services = [module.monitoring.node_exporter]
}

node_set "watch" {
  pool "local" {
    source  = "../../node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id, publish = { "9090" = 19090 } }
  }
  services = [module.monitoring.node_exporter, module.monitoring.prometheus, module.monitoring.alertmanager]
}
