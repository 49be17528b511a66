# Production: the edge fleet, its mesh and its monitoring.

environment "production" {
  description = "Production: the edge fleet, its mesh and its monitoring."
}

module "network" {
  source = "../../modules/network/${var.cloud}"
  name   = "production"
  cidr   = var.network_cidr
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

node_set "edge" {
  pool "main" {
    source  = "../../modules/node/${var.cloud}"
    size    = var.size
    domains = var.domains
    inputs  = { network = module.network.id }
  }
  services = [module.mesh.service, module.monitoring.node_exporter]
}

node_set "monitoring" {
  pool "main" {
    source  = "../../modules/node/${var.cloud}"
    size    = 1
    domains = var.domains
    inputs  = { network = module.network.id, publish = { "9090" = var.prometheus_port } }
  }
  services = [module.mesh.service, module.monitoring.node_exporter, module.monitoring.prometheus]
}

output "prometheus_url" {
  value       = "http://127.0.0.1:${var.prometheus_port}"
  description = "Prometheus, from this machine."
}

output "mesh_addresses" {
  value       = module.mesh.addresses
  description = "Address inside the mesh, by node."
}
