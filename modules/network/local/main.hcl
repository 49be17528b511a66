# One network of the local cloud: a bridge in a namespace of its own, with no way off this machine.

variable "name" {
  type        = string
  description = "Name of the network, unique in the environment."
}

variable "cidr" {
  type        = string
  default     = "10.88.0.0/16"
  description = "Addresses of the network. They never leave this machine, so any private range will do."
}

resource "local_network" "this" {
  name = var.name
  cidr = var.cidr
}

output "id" {
  value       = local_network.this.id
  description = "What a node's module needs to attach a machine."
}

output "cidr" {
  value       = local_network.this.cidr
  description = "Addresses of the network."
}
