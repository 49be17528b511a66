variable "node" {
  type = any
}

resource "local_machine" "this" {
  name            = var.node.name
  authorized_keys = [var.node.login_key]
}

output "machine" {
  value = local_machine.this
}
