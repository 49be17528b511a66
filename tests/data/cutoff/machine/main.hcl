# A node of the local cloud that is reached over its network address, as a machine of another cloud is, and not by its socket.

variable "node" {
  type = object({
    name      = string
    domain    = string
    ordinal   = number
    login_key = string
  })
  description = "Which node to make."
}

variable "network" {
  type        = string
  description = "Id of the network."
}

variable "ports" {
  type        = list(number)
  description = "Ports of this machine that lead to the SSH servers of the nodes."
}

resource "local_machine" "this" {
  name            = var.node.name
  network         = var.network
  domain          = var.node.domain
  authorized_keys = [var.node.login_key]
  publish         = { "22" = var.ports[var.node.ordinal] }
}

output "machine" {
  value = {
    address  = "127.0.0.1"
    port     = var.ports[var.node.ordinal]
    user     = local_machine.this.user
    host_key = local_machine.this.host_key
  }
  description = "How the node is reached."
}
