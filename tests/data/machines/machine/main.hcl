# A node of the local cloud whose machine is made from an image: the local cloud has none, so its name says which.

variable "node" {
  type = object({
    name      = string
    domain    = string
    login_key = string
  })
  description = "Which node to make."
}

variable "network" {
  type        = string
  description = "Id of the network."
}

variable "image" {
  type        = string
  description = "What the machine is made from."
}

variable "data_path" {
  type        = string
  default     = "/data"
  description = "Where the volume is."
}

resource "local_volume" "data" {
  name = "${var.node.name}-data"
  size = 1
}

resource "local_machine" "this" {
  name            = "${var.node.name}-${var.image}"
  network         = var.network
  domain          = var.node.domain
  authorized_keys = [var.node.login_key]
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
  description = "How the node is reached."
}
