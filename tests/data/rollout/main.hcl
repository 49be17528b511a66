# A fleet of nodes that run the workload of the tests, and a node that watches them: rollouts are tried on it.
# The tests copy it to environments/rollout.

environment "rollout" {
  description = "Nodes that run the workload of the tests."
}

module "network" {
  source = "../../modules/network/local"
  name   = "rollout"
  cidr   = "10.89.0.0/16"
}

module "workload" {
  source     = "./workload"
  binary     = var.workload_binary
  release    = var.workload_version
  error_rate = var.error_rate
  latency_ms = var.latency_ms
  load       = var.load
  unhealthy  = var.unhealthy
}

module "monitoring" {
  source            = "../../modules/monitoring"
  node_sets         = [node_set.watch.nodes]
  jobs              = { workload = { nodes = node_set.work.nodes, port = 8080 } }
  scrape_interval_s = 1
  resend_s          = 1
  alertmanager      = true
  rules             = { workload = file("${path.module}/workload/rules.yml") }
}

node_set "work" {
  pool "main" {
    source  = "../../modules/node/local"
    size    = var.size
    domains = ["a", "b", "c"]
    inputs  = { network = module.network.id }
  }
  services = [module.workload.service]
  rollout  = rollout.work
}

node_set "watch" {
  pool "main" {
    source  = "../../modules/node/local"
    size    = 1
    domains = ["a"]
    inputs = {
      network = module.network.id
      publish = { "9090" = var.prometheus_port, "9093" = var.alertmanager_port }
    }
  }
  services = [module.monitoring.node_exporter, module.monitoring.prometheus, module.monitoring.alertmanager]
}

output "prometheus_url" {
  value       = "http://127.0.0.1:${var.prometheus_port}"
  description = "Prometheus, from this machine."
}

output "alertmanager_url" {
  value       = "http://127.0.0.1:${var.alertmanager_port}"
  description = "Alertmanager, from this machine."
}
