# Nodes whose machines, number and network change, and one that watches them: rollouts of more than services are tried on it.
# The tests copy it to environments/machines.

environment "machines" {
  description = "Nodes whose machines change."
}

module "network" {
  source = "../../modules/network/local"
  name   = var.network
  cidr   = "10.90.0.0/16"
}

module "workload" {
  source    = "./service"
  binary    = var.workload_binary
  release   = var.workload_version
  sick_from = var.sick_from
  odd_from  = var.odd_from
}

# It lists the nodes of both sets, and belongs to neither.
module "monitoring" {
  source            = "../../modules/monitoring"
  node_sets         = [node_set.watch.nodes]
  jobs              = { workload = { nodes = concat(node_set.front.nodes, node_set.back.nodes), port = 8080 } }
  scrape_interval_s = 1
}

gate "nodes" {
  interval    = "1s"
  consecutive = 3

  nodes {}
}

# Every node on the candidate is scraped where it is now, and says that it is not odd.
gate "seen" {
  interval = "1s"

  prometheus {
    url       = "http://127.0.0.1:${var.prometheus_port}"
    staleness = "5s"
    value     = "min(workload_info{version!=\"odd\",$candidate} or workload_info{$candidate} * 0)"
  }
  value {
    proceed_above  = 0.5
    rollback_below = 0.5
    consecutive    = 2
  }
}

rollout "small" {
  max_parallel    = 2
  max_unavailable = 1
  max_surge       = var.max_surge
  interval        = "1s"

  stage "canary" {
    nodes    = "25%"
    bake     = "2s"
    deadline = "60s"

    gate "nodes" {}
    gate "seen" {}
  }

  stage "full" {
    nodes    = "100%"
    bake     = "2s"
    deadline = "60s"

    gate "nodes" {}
    gate "seen" {}
  }
}

node_set "front" {
  pool "main" {
    source  = "./machine"
    size    = var.front
    domains = ["a", "b"]
    inputs  = { network = module.network.id, image = var.image, data_path = var.data_path }
  }
  services = [module.workload.service]
  rollout  = rollout.small
}

node_set "back" {
  pool "main" {
    source  = "./machine"
    size    = var.back
    domains = ["a", "b"]
    inputs  = { network = module.network.id, image = var.image }
  }
  services = [module.workload.service]
  rollout  = rollout.small
  after    = [node_set.front]
}

node_set "watch" {
  pool "main" {
    source  = "../../modules/node/local"
    size    = 1
    domains = ["a"]
    inputs  = { network = module.network.id, publish = { "9090" = var.prometheus_port } }
  }
  services = [module.monitoring.node_exporter, module.monitoring.prometheus]
}
