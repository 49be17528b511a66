# One node of the local cloud: a machine with a data volume. A node set calls this module once per node.

variable "node" {
  type = object({
    name      = string
    index     = number
    ordinal   = number
    domain    = string
    node_set  = string
    pool      = string
    login_key = string
  })
  description = "Which node to make; the node set fills this in."
}

variable "network" {
  type        = string
  description = "Id of the network, from modules/network/local."
}

variable "data_gib" {
  type        = number
  default     = 1
  description = "Size of the data volume in GiB; it outlives the machine."
}

variable "data_path" {
  type        = string
  default     = "/data"
  description = "Where the data volume is mounted on the node."
}

variable "publish" {
  type        = map(number)
  default     = {}
  description = "Ports of the node that this machine offers on 127.0.0.1: node port => port here."
}

resource "local_volume" "data" {
  name = "${var.node.name}-data"
  size = var.data_gib
}

resource "local_machine" "this" {
  name            = var.node.name
  network         = var.network
  domain          = var.node.domain
  authorized_keys = [var.node.login_key]
  publish         = var.publish
  volumes         = [{ volume = local_volume.data.id, path = var.data_path }]
}

output "machine" {
  value = {
    address  = local_machine.this.address
    port     = local_machine.this.port
    user     = local_machine.this.user
    host_key = local_machine.this.host_key
    socket   = local_machine.this.socket
  }
  description = "How the node is reached, for the node set."
}
