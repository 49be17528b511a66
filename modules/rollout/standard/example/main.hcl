environment "example-rollout" {}

module "network" {
  source = "../../../network/local"
  name   = "example"
}

module "monitoring" {
  source    = "../../../monitoring"
  node_sets = [node_set.edge.nodes, node_set.watch.nodes]
}

module "rollout" {
  source         = ".."
  prometheus_url = "http://127.0.0.1:19090"
  selector       = "node_set=\"edge\""
  per_node_rate  = 300
  approvals      = { full = 1 }
  windows = [
    { name = "office hours", effect = "allow", days = ["mon", "tue", "wed", "thu"], from = "09:00", until = "17:00", timezone = "Europe/Berlin" },
    { name = "black friday", effect = "deny", from = "2026-11-27T00:00:00Z", until = "2026-11-30T00:00:00Z" },
  ]
}

node_set "edge" {
  pool "local" {
    source  = "../../../node/local"
    size    = 4
    domains = ["a", "b"]
    inputs  = { network = module.network.id }
  }
  services = [module.monitoring.node_exporter]
  rollout  = module.rollout.standard
}

node_set "watch" {
  pool "local" {
    source  = "../../../node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id, publish = { "9090" = 19090 } }
  }
  services = [module.monitoring.node_exporter, module.monitoring.prometheus]
}
