# Production: the edge fleet, its mesh and its monitoring.

environment "production" {
  description = "Production: the edge fleet, its mesh and its monitoring."
}

module "network" {
  source  = "../../modules/network/local"
  enabled = var.cloud == "local"
  name    = "production"
  cidr    = var.network_cidr
}

provider "aws" {
  region = var.aws_region
}

module "network_aws" {
  source   = "../../modules/network/aws"
  enabled  = var.cloud == "aws"
  name     = "production"
  cidr     = var.network_cidr
  zones    = [for domain in var.domains : "${var.aws_region}${domain}"]
  ssh_from = var.aws_ssh_from
}

# One host key for the nodes on AWS, so that equal ones are launched together.
resource "tls_private_key" "nodes" {
  enabled   = var.cloud == "aws"
  algorithm = "ED25519"
}

locals {
  # What a node's module needs, by cloud.
  inputs = {
    local = { network = one(module.network[*].id) }
    aws = {
      network      = one(module.network_aws[*].id)
      host_key     = tls_private_key.nodes
      image        = var.aws_image
      machine_type = var.aws_machine_type
      public       = true
    }
  }
  domains = var.cloud == "aws" ? [for domain in var.domains : "${var.aws_region}${domain}"] : var.domains
  publish = var.cloud == "local" ? { publish = { "9090" = var.prometheus_port } } : {}
}

module "mesh" {
  source      = "../../modules/mesh/nebula"
  name        = "production"
  cidr        = var.mesh_cidr
  cipher      = var.mesh_cipher
  node_sets   = [node_set.edge.nodes, node_set.monitoring.nodes]
  lighthouses = [for node in slice(node_set.edge.nodes, 0, 3) : node.name]
}

module "monitoring" {
  source    = "../../modules/monitoring"
  node_sets = [node_set.edge.nodes, node_set.monitoring.nodes]
}

# How changes reach the edge nodes: in the stages of modules/rollout/standard, judged by what these nodes export.
module "rollout" {
  source          = "../../modules/rollout/nodes"
  enabled         = var.rollout == null ? var.cloud == "local" : var.rollout
  prometheus_url  = "http://127.0.0.1:${var.prometheus_port}"
  node_set        = "edge"
  interval_s      = var.rollout_interval_s
  time_scale      = var.rollout_time_scale
  snapshot_before = var.rollout_snapshot
}

node_set "edge" {
  pool "main" {
    source  = "../../modules/node/${var.cloud}"
    size    = var.size
    domains = local.domains
    inputs  = local.inputs[var.cloud]
  }
  services = [module.mesh.service, module.monitoring.node_exporter]
  rollout  = one(module.rollout[*].standard)
}

node_set "monitoring" {
  pool "main" {
    source  = "../../modules/node/${var.cloud}"
    size    = 1
    domains = local.domains
    inputs  = merge(local.inputs[var.cloud], local.publish)
  }
  services = [module.mesh.service, module.monitoring.node_exporter, module.monitoring.prometheus]
}

output "prometheus_url" {
  value       = var.cloud == "local" ? "http://127.0.0.1:${var.prometheus_port}" : "http://${module.mesh.addresses[node_set.monitoring.nodes[0].name]}:9090"
  description = "Prometheus, from this machine; on AWS from within the mesh."
}

output "mesh_addresses" {
  value       = module.mesh.addresses
  description = "Address inside the mesh, by node."
}
