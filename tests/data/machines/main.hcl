# Nodes whose machines, number and network change: rollouts of more than services are tried on it.
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
}

gate "nodes" {
  interval    = "1s"
  consecutive = 3

  nodes {}
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
  }

  stage "full" {
    nodes    = "100%"
    bake     = "2s"
    deadline = "60s"

    gate "nodes" {}
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
